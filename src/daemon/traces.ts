/**
 * Traces of messages for OpenTelemetry, by its own environment variables; off without an endpoint. Each message is one
 * trace, told when the message has its end, from what the ledger keeps of its way: a crash in between cuts none. The ids of
 * trace and root follow from the message's id, so what comes later (its reply's delivery) finds them after a restart, too.
 */

import { createHash } from "node:crypto";
import type { Context, Span, Tracer } from "@opentelemetry/api";
import type { Sampler, SpanExporter } from "@opentelemetry/sdk-trace";
import { sleep, systemClock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { Switchboard } from "../switchboard.ts";
import { version } from "../version.ts";
import type { EventView } from "../views.ts";
import { deliverySpan, type SpanPlan, spansOf } from "./spans.ts";
import { StartError } from "./start-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** ms that the last spans may take to go out when the daemon ends. */
const lastFlushMs = 2000;

export interface Traces {
  /** Tells of what happens from now on, until Switchboard closes; then what is left goes out, within 2 s. */
  follow(switchboard: Switchboard): { settled: Promise<void> };
}

/** Null: they are off. Throws `invalid_environment`. What they are made with is loaded only where they are on. */
export async function tracesOf(env: Environment, log: Logger): Promise<Traces | null> {
  const settings = settingsOf(env);
  if (settings === null) return null;
  const [api, sdk, resources, exporter] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/resources"),
    exporterOf(settings),
  ]);
  const tell = (message: string, ...rest: unknown[]) =>
    log.warn({ error: [message, ...rest].map(String).join(" ") }, "traces");
  const quiet = () => {};
  api.diag.setLogger(
    { error: tell, warn: tell, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const ids = new Ids(new sdk.RandomIdGenerator());
  const provider = new sdk.TracerProvider({
    idGenerator: ids,
    sampler: samplerOf(settings, sdk),
    resource: resources
      .resourceFromAttributes({ "service.name": "switchboard", "service.version": version })
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    // The endpoint, headers and certificates are the exporter's own to read.
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter,
        ...(settings.delayMs !== null && { scheduledDelayMillis: settings.delayMs }),
      }),
    ],
  });
  const teller = new Teller(provider.getTracer("switchboard", version), ids, api);
  return {
    follow(switchboard) {
      const told = tellAll(switchboard, teller, log).catch((error) =>
        log.warn({ error: String(error) }, "traces have ended"),
      );
      // It sends what is left before it ends.
      const flush = async () => {
        const ended = provider.shutdown().catch(() => {});
        await Promise.race([ended, sleep(systemClock, lastFlushMs)]);
      };
      return { settled: told.then(flush) };
    },
  };
}

async function exporterOf({ protocol }: Settings): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === "http/json"
      ? await import("@opentelemetry/exporter-trace-otlp-http")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter();
}

interface Settings {
  protocol: string;
  sampler: string;
  ratio: number;
  /** ms between two exports; null: the SDK's. */
  delayMs: number | null;
}

const protocols = ["http/protobuf", "http/json"];
const samplers = ["always_on", "always_off", "traceidratio"];

/** What the exporter would take in silence, and send nowhere, is refused. Null: traces are off. */
export function settingsOf(env: Environment): Settings | null {
  const names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
  const given = names.filter((name) => env[name]);
  const isOff = env.OTEL_SDK_DISABLED?.toLowerCase() === "true" || env.OTEL_TRACES_EXPORTER === "none";
  if (given.length === 0 || isOff) return null;
  for (const name of given)
    if (!/^https?:$/.test(URL.parse(env[name] ?? "")?.protocol ?? ""))
      throw invalid(name, `is no http address: ${env[name]}`);
  const named = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL;
  const protocol = named || "http/protobuf";
  if (!protocols.includes(protocol))
    throw invalid(
      "OTEL_EXPORTER_OTLP_PROTOCOL",
      `${protocol} is not spoken here (allowed: ${protocols.join(", ")})`,
    );
  // Each trace has its root here: what a parent says never counts.
  const sampler = (env.OTEL_TRACES_SAMPLER || "always_on").replace(/^parentbased_/, "");
  if (!samplers.includes(sampler))
    throw invalid(
      "OTEL_TRACES_SAMPLER",
      `${sampler} is no sampler here (allowed: ${samplers.join(", ")}, also after parentbased_)`,
    );
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG || 1);
  if (!(ratio >= 0 && ratio <= 1))
    throw invalid("OTEL_TRACES_SAMPLER_ARG", `must be from 0 to 1 (found ${env.OTEL_TRACES_SAMPLER_ARG})`);
  const delay = env.OTEL_BSP_SCHEDULE_DELAY;
  if (delay && !/^\d{1,9}$/.test(delay))
    throw invalid("OTEL_BSP_SCHEDULE_DELAY", `must be ms (found ${delay})`);
  return { protocol, sampler, ratio, delayMs: delay ? Number(delay) : null };
}

function invalid(name: string, what: string): StartError {
  return new StartError("invalid_environment", `${name} ${what}`);
}

function samplerOf({ sampler, ratio }: Settings, sdk: typeof import("@opentelemetry/sdk-trace")): Sampler {
  if (sampler === "always_off") return new sdk.AlwaysOffSampler();
  return sampler === "traceidratio" ? new sdk.TraceIdRatioBasedSampler(ratio) : new sdk.AlwaysOnSampler();
}

/** Random ones, but for the root of a message's trace. */
class Ids {
  readonly #random: { generateTraceId(): string; generateSpanId(): string };
  #next: { traceId: string; spanId: string } | null = null;

  constructor(random: { generateTraceId(): string; generateSpanId(): string }) {
    this.#random = random;
  }

  generateTraceId(): string {
    return this.#next?.traceId ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.#next?.spanId ?? this.#random.generateSpanId();
  }

  /** The spans that `begin` begins have these. */
  during<T>(ids: { traceId: string; spanId: string }, begin: () => T): T {
    this.#next = ids;
    try {
      return begin();
    } finally {
      this.#next = null;
    }
  }
}

function idsOf(messageId: string): { traceId: string; spanId: string } {
  const digest = createHash("sha256").update(messageId).digest("hex");
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

class Teller {
  readonly #tracer: Tracer;
  readonly #ids: Ids;
  readonly #api: typeof import("@opentelemetry/api");

  constructor(tracer: Tracer, ids: Ids, api: typeof import("@opentelemetry/api")) {
    this.#tracer = tracer;
    this.#ids = ids;
    this.#api = api;
  }

  message(messageId: string, plan: SpanPlan): void {
    const { ROOT_CONTEXT, trace } = this.#api;
    const root = this.#ids.during(idsOf(messageId), () => this.#begin(plan, ROOT_CONTEXT));
    this.#children(plan, trace.setSpan(ROOT_CONTEXT, root));
    root.end(plan.end);
  }

  /** Something of the message that has come after its end. */
  later(messageId: string, plan: SpanPlan): void {
    const { ROOT_CONTEXT, trace, TraceFlags } = this.#api;
    const root = { ...idsOf(messageId), traceFlags: TraceFlags.SAMPLED };
    this.#begin(plan, trace.setSpanContext(ROOT_CONTEXT, root)).end(plan.end);
  }

  #children(plan: SpanPlan, context: Context): void {
    for (const child of plan.children) {
      const span = this.#begin(child, context);
      this.#children(child, this.#api.trace.setSpan(context, span));
      span.end(child.end);
    }
  }

  #begin({ name, start, attributes, failed }: SpanPlan, context: Context): Span {
    const span = this.#tracer.startSpan(name, { startTime: start, attributes }, context);
    if (failed) span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
    return span;
  }
}

/** Until Switchboard closes. Whatever goes wrong with one message is told, and costs no other. */
async function tellAll(switchboard: Switchboard, teller: Teller, log: Logger): Promise<void> {
  for await (const event of switchboard.events({ text: false })) {
    try {
      await tellOf(event, switchboard, teller);
    } catch (error) {
      log.debug({ error: String(error) }, "a trace is missing");
    }
  }
}

async function tellOf(event: EventView, switchboard: Switchboard, teller: Teller): Promise<void> {
  if (event.type === "message") {
    const { id, status } = event.message;
    if (status === "queued" || status === "sent") return;
    const message = await switchboard.message(id, { timeline: true });
    const { contact } = await switchboard.chat(event.chatId);
    const plan = spansOf(message, contact.tier);
    if (plan !== null) teller.message(id, plan);
  } else if (event.type === "reply") {
    const { id, answers, status, attempts } = event.reply;
    const [first] = answers;
    // One that is fetched goes nowhere.
    if (first === undefined || attempts === 0 || !["sent", "failed", "uncertain"].includes(status)) return;
    const { endedAt, acceptedAt } = await switchboard.message(first);
    teller.later(first, deliverySpan({ id, status, attempts }, endedAt ?? acceptedAt, event.at));
  }
}
