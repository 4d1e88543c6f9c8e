/**
 * What Prometheus may read: counted from the ledger's events as they are committed, so that the numbers are those of the
 * record, and from what the model's answers cost. Labels come from closed sets: no series is any chat's.
 *
 * Counters begin at 0 with the daemon; times are of messages that it has accepted itself.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { hasEnded, type Ledger, type LedgerEvent, type Spending } from "./ledger/index.ts";
import { endKindOf, type Manager, type Removed } from "./sessions/index.ts";
import type { HostView } from "./views.ts";

/** Seconds. */
const buckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];

/** Of a USD. */
const billionth = 1e-9;

/** A message on its way. */
interface Way {
  acceptedAt: number;
  handedOver: boolean;
  taken: boolean;
}

export class Metrics {
  readonly #registry = new Registry();
  /** By id: open messages that this daemon has accepted. */
  readonly #ways = new Map<string, Way>();
  /** By id: running turns. The first text may come before its turn's start is committed. */
  readonly #turns = new Map<string, { startedAt: number | null; firstTextAt: number | null }>();
  /** When each reply that its channel has not answered for was first seen, in ms since the Unix epoch. */
  readonly #outgoing = new Map<string, number>();
  readonly #host: () => HostView;

  readonly #accepted = this.#counter("messages_accepted_total", "Messages accepted");
  readonly #ended = this.#counter("messages_ended_total", "Messages that have got their end status", [
    "status",
  ]);
  readonly #wait = this.#histogram(
    "message_wait_seconds",
    "From a message's acceptance until it is handed to a process",
  );
  readonly #request = this.#histogram(
    "message_request_seconds",
    "From a message's acceptance until the model has it",
  );
  readonly #whole = this.#histogram("message_seconds", "From a message's acceptance to its end", ["status"]);
  readonly #firstText = this.#histogram(
    "first_text_seconds",
    "From a turn's beginning to the first piece of its text",
  );
  readonly #turn = this.#histogram("turn_seconds", "Length of a turn", ["outcome"]);
  readonly #tools = this.#counter("tool_calls_total", "Tool calls by how they ended", ["state"]);
  readonly #requeued = this.#counter(
    "messages_requeued_total",
    "Times that a message was taken back from a process, to be tried again",
  );
  readonly #starts = this.#counter("process_starts_total", "Claude processes started, by what for", [
    "reason",
  ]);
  readonly #ends = this.#counter("process_ends_total", "Claude processes that have ended, by why", [
    "reason",
  ]);
  readonly #delivery = this.#histogram(
    "reply_delivery_seconds",
    "From a reply that goes out by a channel until the channel has it",
  );
  readonly #replies = this.#counter("replies_total", "Replies by what became of them", ["status"]);
  readonly #removed = this.#counter("removed_total", "What was removed because it is kept no longer", [
    "what",
  ]);
  readonly #notices = this.#counter("notices_total", "What the operator was told, by its code", ["code"]);
  readonly #tokens = this.#counter("tokens_total", "Tokens of the model, by tier and kind", ["tier", "kind"]);
  readonly #cost = this.#counter("cost_usd_total", "What the model has cost in USD, by the list's prices", [
    "tier",
  ]);

  /** `host` and `census`: how it stands now. */
  constructor(
    ledger: Pick<Ledger, "onCommit">,
    { host, census }: { host: () => HostView; census: Manager["census"] },
  ) {
    this.#host = host;
    ledger.onCommit((events) => {
      for (const event of events) this.#count(event);
    });
    this.#gauges();
    this.#censuses(census);
  }

  /** The text format of Prometheus. */
  async text(): Promise<string> {
    const [ours, process] = await Promise.all([this.#registry.metrics(), ofProcess().metrics()]);
    return `${ours}\n${process}`;
  }

  /** A piece of text is on its way. */
  onText(turnId: string): void {
    const turn = this.#turns.get(turnId) ?? { startedAt: null, firstTextAt: null };
    if (turn.firstTextAt !== null) return;
    turn.firstTextAt = Date.now();
    this.#turns.set(turnId, turn);
    if (turn.startedAt !== null) this.#firstText.observe(seconds(turn.firstTextAt - turn.startedAt));
  }

  /** What is kept no longer was removed. */
  onRemoved(removed: Removed): void {
    for (const [what, count] of Object.entries(removed)) this.#removed.inc({ what }, count);
  }

  /** An answer of the model has cost something. */
  onSpent({ tier, cost, ...tokens }: Omit<Spending, "requests">): void {
    this.#cost.inc({ tier }, cost * billionth);
    const kinds = {
      input: tokens.inputTokens,
      output: tokens.outputTokens,
      cache_write: tokens.cacheWriteTokens,
      cache_read: tokens.cacheReadTokens,
    };
    for (const [kind, count] of Object.entries(kinds)) this.#tokens.inc({ tier, kind }, count);
  }

  #count(event: LedgerEvent): void {
    switch (event.type) {
      case "message":
        this.#message(event.at, event.message);
        return;
      case "turn":
        this.#turnChanged(event);
        return;
      case "tool":
        if (event.state !== "started") this.#tools.inc({ state: event.state });
        return;
      case "process":
        if (event.state === "starting") this.#starts.inc({ reason: startReasonOf(event.reason) });
        if (event.state === "ended") this.#ends.inc({ reason: endKindOf(event.reason) });
        return;
      case "reply":
        this.#reply(event.at, event.reply);
        return;
      case "notice":
        this.#notices.inc({ code: event.code });
    }
  }

  #reply(at: number, { id, status }: Extract<LedgerEvent, { type: "reply" }>["reply"]): void {
    if (status === "pending" || status === "sending") {
      if (!this.#outgoing.has(id)) this.#outgoing.set(id, at);
      return;
    }
    this.#replies.inc({ status });
    const since = this.#outgoing.get(id);
    if (since !== undefined && status === "sent") this.#delivery.observe(seconds(at - since));
    this.#outgoing.delete(id);
  }

  #message(at: number, { id, status, tries }: Extract<LedgerEvent, { type: "message" }>["message"]): void {
    let way = this.#ways.get(id);
    // Its first event: a later one of a message that an earlier daemon accepted has tries, or an end.
    if (way === undefined && (status === "queued" ? tries === 0 : status === "sent" && tries === 1)) {
      way = { acceptedAt: at, handedOver: false, taken: false };
      this.#ways.set(id, way);
      this.#accepted.inc();
    }
    if (status === "queued" && tries > 0) this.#requeued.inc();
    if (status === "sent" && way?.handedOver === false) {
      way.handedOver = true;
      this.#wait.observe(seconds(at - way.acceptedAt));
    }
    if (!hasEnded(status)) return;
    this.#ended.inc({ status });
    if (way !== undefined) this.#whole.observe({ status }, seconds(at - way.acceptedAt));
    this.#ways.delete(id);
  }

  #turnChanged({ at, turnId, state, messageIds }: Extract<LedgerEvent, { type: "turn" }>): void {
    if (state === "started" || state === "joined") {
      if (state === "started") this.#begun(at, turnId);
      for (const id of messageIds) this.#taken(at, id);
      return;
    }
    const turn = this.#turns.get(turnId);
    if (turn !== undefined && turn.startedAt !== null)
      this.#turn.observe({ outcome: state }, seconds(at - turn.startedAt));
    this.#turns.delete(turnId);
  }

  #begun(at: number, turnId: string): void {
    const firstTextAt = this.#turns.get(turnId)?.firstTextAt ?? null;
    this.#turns.set(turnId, { startedAt: at, firstTextAt });
    if (firstTextAt !== null) this.#firstText.observe(seconds(firstTextAt - at));
  }

  #taken(at: number, messageId: string): void {
    const way = this.#ways.get(messageId);
    if (way === undefined || way.taken) return;
    way.taken = true;
    this.#request.observe(seconds(at - way.acceptedAt));
  }

  /** Read when somebody asks. */
  #gauges(): void {
    const gauge = (name: string, help: string, value: (host: HostView) => number) => {
      const host = this.#host;
      new Gauge({
        name: `switchboard_${name}`,
        help,
        registers: [this.#registry],
        collect() {
          this.set(value(host()));
        },
      });
    };
    gauge("processes", "Claude processes that live", ({ processes }) => processes.live);
    gauge("processes_max", "Most Claude processes at once", ({ processes }) => processes.max);
    gauge("processes_spare", "Spare processes that are ready", ({ processes }) => processes.spares);
    gauge("chats_waiting", "Chats that wait for a process", ({ processes }) => processes.waiting);
    gauge(
      "processes_memory_bytes",
      "Memory of all Claude processes and their tools",
      ({ processes }) => processes.memoryBytes,
    );
    gauge("processes_memory_max_bytes", "The budget of that", ({ processes }) => processes.memoryBytesMax);
    gauge("replies_outgoing", "Replies that their channel has not taken yet", () => this.#outgoing.size);
    gauge("model_trouble", "1 while the model's API lets nobody through", ({ trouble }) =>
      Number(trouble !== null),
    );
    gauge("up_since_timestamp_seconds", "When the daemon was started", ({ since }) =>
      seconds(Date.parse(since)),
    );
  }

  #censuses(census: Manager["census"]): void {
    const gauge = (name: string, help: string, label: string, counts: () => Record<string, number>) => {
      new Gauge({
        name: `switchboard_${name}`,
        help,
        labelNames: [label],
        registers: [this.#registry],
        collect() {
          for (const [value, count] of Object.entries(counts())) this.set({ [label]: value }, count);
        },
      });
    };
    gauge("sessions", "Chats with a live session, by its state", "state", () => census().states);
    gauge("messages_waiting", "Open messages, by what they wait for", "for", () => census().waiting);
  }

  #counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> {
    return new Counter({ name: `switchboard_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Histogram<Label> {
    return new Histogram({
      name: `switchboard_${name}`,
      help,
      labelNames,
      buckets,
      registers: [this.#registry],
    });
  }
}

let processRegistry: Registry | null = null;

/** Of this process, whatever runs in it: once, and not before somebody asks, for observers are begun with it. */
function ofProcess(): Registry {
  if (processRegistry === null) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

const startReasons = ["message", "wake", "restart", "replacement"];

function startReasonOf(reason: string): string {
  return startReasons.includes(reason) ? reason : "other";
}

function seconds(ms: number): number {
  return Math.max(0, ms) / 1000;
}
