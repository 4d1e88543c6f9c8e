/**
 * One request of a process, from its arrival to the end of its answer, over as many attempts as it takes.
 *
 * The rule that holds it up: until something of an answer was passed on, another attempt can take the place of a failed
 * one, and the process sees none of it. So of a stream, what comes before the first content is held back. Afterwards
 * there is no way back: the stream ends with an error, and Claude Code goes on from what it has.
 *
 * Only requests that run the model are tried again, and only they tell the line how they fared: counting tokens has
 * limits of its own.
 */
import { once } from "node:events";
import { type Clock, sleep } from "../clock.ts";
import { readError, statusOf } from "./api-error.ts";
import { type Caller, type Failure, failure } from "./caller.ts";
import { classify, type TroubleVerdict, type Verdict } from "./classify.ts";
import type { Line, Ticket, Trouble } from "./line.ts";
import type { ModelUsage } from "./prices.ts";
import { type Question, wantsStream } from "./question.ts";
import { dataOf, EventCutter, lastEvent, preludes, type StreamEvent } from "./stream-events.ts";
import { pauseMs, type Times } from "./times.ts";
import { type Answer, Broken, type Upstream } from "./upstream.ts";
import { usageAfter, usageEvents, usageOf } from "./usage.ts";

export interface ExchangeEvents {
  /** It waits: for the line, or for its own pause after a failure. */
  onWaiting(): void;
  /** It leaves, for the first time or again. */
  onAsking(): void;
  /** The first content of an answer, or an error that is the request's own, is passed on. */
  onAnswering(status: number): void;
  /** While it waits the line is in trouble, or gets into it. */
  onTrouble(trouble: Trouble): void;
  /** An attempt came to nothing; `status` is null when the API gave none. */
  onFailed(verdict: TroubleVerdict, status: number | null): void;
  /** An attempt is over, and what it has used. */
  onUsage(usage: ModelUsage): void;
}

export interface ExchangeOptions {
  question: Question;
  runsModel: boolean;
  /** Asked before each attempt that runs the model: false, and it does not leave, nor any later one. */
  mayLeave: () => boolean;
  caller: Caller;
  line: Line;
  upstream: Upstream;
  clock: Clock;
  /** From 0 to 1. */
  random: () => number;
  times: Times;
  events: ExchangeEvents;
}

/** An attempt that came to nothing: what it means, and what the process gets if there is no other. */
interface Failed {
  verdict: TroubleVerdict;
  status: number | null;
  failure: Failure;
}

/** Bytes of an error that are read to judge it. */
const judgedBytes = 64 * 2 ** 10;

export class Exchange {
  readonly #options: ExchangeOptions;
  #failures = 0;
  /** What the process gets when patience is over. */
  #last = failure(529, "overloaded_error", "The model's API is in trouble");
  #impatient = new AbortController();
  #cancelPatience: (() => void) | null = null;
  /** What the present attempt has used so far. */
  #usage: ModelUsage | null = null;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** Resolves when the process has its answer or an error, or has left. */
  async run(): Promise<void> {
    while ((await this.#attempt()) === "again") await this.#pause();
    this.#cancelPatience?.();
  }

  async #attempt(): Promise<"again" | "over"> {
    const { caller, runsModel, mayLeave, events } = this.#options;
    const ticket = await this.#enter();
    if (ticket === null) {
      caller.fail(this.#last);
      return "over";
    }
    if (runsModel && !mayLeave()) {
      ticket.leave();
      await this.#beLeft();
      return "over";
    }
    events.onAsking();
    try {
      const failed = await this.#ask(ticket);
      if (failed === null || caller.gone.aborted) return "over";
      this.#note(failed, ticket);
      if (runsModel && !caller.begun) return "again";
      caller.fail(failed.failure);
      return "over";
    } finally {
      ticket.leave();
      if (this.#usage !== null) events.onUsage(this.#usage);
      this.#usage = null;
    }
  }

  /**
   * The process gets no answer: an error would end its turn, which may go on another day. Whoever said that nothing may
   * leave ends the process.
   */
  async #beLeft(): Promise<void> {
    const { caller, events } = this.#options;
    events.onWaiting();
    if (!caller.gone.aborted) await once(caller.gone, "abort");
  }

  #enter(): Ticket | null | Promise<Ticket | null> {
    const { line, runsModel, events } = this.#options;
    const told = (trouble: Trouble) => {
      if (this.#failures === 0) this.#last = failure(529, "overloaded_error", trouble.message);
      this.#beOrNotBePatient(trouble);
      events.onTrouble(trouble);
    };
    const entered = line.enter({ probes: runsModel, told }, this.#interrupted());
    if (entered instanceof Promise) events.onWaiting();
    return entered;
  }

  #note({ verdict, status, failure }: Failed, ticket: Ticket): void {
    const { runsModel, events } = this.#options;
    this.#failures += 1;
    this.#last = failure;
    this.#beOrNotBePatient(verdict);
    events.onFailed(verdict, status);
    if (runsModel) ticket.failed(verdict);
  }

  /** On top of the line's own: a request that fails for a reason of its own must not be the one that always probes. */
  async #pause(): Promise<void> {
    const { clock, random, times, events } = this.#options;
    events.onWaiting();
    await sleep(clock, pauseMs(this.#failures, random, times), this.#interrupted());
  }

  /** Patience is for what passes by itself. A hold has a time of its own, and whoever started the process knows of it. */
  #beOrNotBePatient({ kind }: Pick<Trouble, "kind">): void {
    const { clock, runsModel, times } = this.#options;
    if (kind === "transient" || !runsModel) {
      this.#cancelPatience ??= clock.after(times.patienceMs, () => this.#impatient.abort());
      return;
    }
    this.#cancelPatience?.();
    this.#cancelPatience = null;
    if (this.#impatient.signal.aborted) this.#impatient = new AbortController();
  }

  /** Aborts when there is nothing more to wait for. */
  #interrupted(): AbortSignal {
    return AbortSignal.any([this.#options.caller.gone, this.#impatient.signal]);
  }

  /** One attempt. Null: the process has what it came for. */
  async #ask(ticket: Ticket): Promise<Failed | null> {
    const { caller, question, upstream } = this.#options;
    const attempt = new AbortController();
    const signal = AbortSignal.any([caller.gone, attempt.signal]);
    try {
      // A whole answer may take minutes, and nothing of it comes before.
      const asked = upstream.ask(question, signal);
      const answer = await this.#heard(asked, attempt, () => wantsStream(question));
      const failed = await this.#passOn(answer, ticket, attempt);
      if (failed !== null) attempt.abort(new Error("another attempt takes its place"));
      return failed;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      return brokenOff(error.code);
    }
  }

  /** As `promise`; ends the attempt when it takes too long and `counts`. */
  async #heard<T>(promise: Promise<T>, attempt: AbortController, counts = () => true): Promise<T> {
    const { clock, times } = this.#options;
    const stalled = () => {
      if (counts()) attempt.abort(new Error("stalled"));
    };
    const cancel = clock.after(times.stallMs, stalled);
    try {
      return await promise;
    } finally {
      cancel();
    }
  }

  #passOn(answer: Answer, ticket: Ticket, attempt: AbortController): Promise<Failed | null> {
    if (answer.status < 400 && isStream(answer)) return this.#passEvents(answer, ticket, attempt);
    // Whoever was pinged expects events: anything else can reach it only as an error.
    if (answer.status >= 400 || this.#options.caller.pinged) return this.#passError(answer, ticket, attempt);
    if (this.#options.runsModel && isJson(answer)) return this.#passWhole(answer, ticket, attempt);
    return this.#passBytes(answer, ticket);
  }

  async #passEvents(answer: Answer, ticket: Ticket, attempt: AbortController): Promise<Failed | null> {
    const { caller } = this.#options;
    const cutter = new EventCutter();
    const ready: Buffer[] = [];
    let complete = false;
    const next = async () => {
      try {
        return await this.#heard(answer.next(), attempt);
      } catch (error) {
        if (complete) return null;
        throw error;
      }
    };
    const write = async () => {
      if (caller.begun) await caller.write(Buffer.concat(ready.splice(0)));
    };
    for (let chunk = await next(); chunk !== null; chunk = await next()) {
      for (const { name, bytes } of cutter.take(chunk)) {
        const event = { name, bytes: name === "error" ? this.#options.upstream.redacted(bytes) : bytes };
        if (usageEvents.includes(event.name)) this.#usage = usageAfter(this.#usage, dataOf(event));
        const failed = this.#failedBy(event, answer.status);
        if (failed !== null) {
          await write();
          return failed;
        }
        ready.push(event.bytes);
        complete ||= event.name === lastEvent || event.name === "error";
        if (!caller.begun && !preludes.includes(event.name)) this.#begin(answer, ticket, "events");
      }
      await write();
    }
    if (!complete) return brokenOff("the stream ended too early");
    caller.end();
    return null;
  }

  #failedBy(event: StreamEvent, status: number): Failed | null {
    if (event.name !== "error") return null;
    const data = dataOf(event);
    const error = readError(data) ?? { type: "api_error", message: "an error without words" };
    const verdict = this.#classify({ status: statusOf(error), headers: {}, body: data });
    if (verdict.kind === "pass") return null;
    const headers = { "content-type": "application/json" };
    return { verdict, status, failure: { status: statusOf(error), headers, body: Buffer.from(data) } };
  }

  async #passError(answer: Answer, ticket: Ticket, attempt: AbortController): Promise<Failed | null> {
    const { caller } = this.#options;
    const { status, headers } = answer;
    const chunks: Buffer[] = [];
    let length = 0;
    let chunk = await this.#heard(answer.next(), attempt);
    for (; chunk !== null && length < judgedBytes; chunk = await this.#heard(answer.next(), attempt)) {
      chunks.push(chunk);
      length += chunk.length;
    }
    const body = this.#options.upstream.redacted(Buffer.concat(chunk === null ? chunks : [...chunks, chunk]));
    const verdict = this.#classify({ status, headers, body: String(body) });
    // Only that much of it was kept.
    const { "content-length": _, ...kept } = headers;
    const failure = { status, headers: kept, body };
    if (verdict.kind !== "pass") return { verdict, status, failure };
    if (!caller.pinged) {
      this.#begin(answer, ticket, "bytes");
      await caller.write(body);
      return this.#passRest(answer);
    }
    ticket.well();
    this.#options.events.onAnswering(status);
    caller.fail(failure);
    return null;
  }

  #passBytes(answer: Answer, ticket: Ticket): Promise<null> {
    this.#begin(answer, ticket, "bytes");
    return this.#passRest(answer);
  }

  /** A model's answer that is no stream is passed on when it is all there: one that breaks off can be asked for again. */
  async #passWhole(answer: Answer, ticket: Ticket, attempt: AbortController): Promise<null> {
    const { caller } = this.#options;
    const chunks: Buffer[] = [];
    for (let chunk = await this.#heard(answer.next(), attempt); chunk !== null; ) {
      chunks.push(chunk);
      chunk = await this.#heard(answer.next(), attempt);
    }
    const whole = Buffer.concat(chunks);
    this.#usage = usageOf(String(whole));
    this.#begin(answer, ticket, "bytes");
    await caller.write(whole);
    caller.end();
    return null;
  }

  async #passRest(answer: Answer): Promise<null> {
    const { caller } = this.#options;
    for (let chunk = await answer.next(); chunk !== null; chunk = await answer.next())
      await caller.write(chunk);
    caller.end();
    return null;
  }

  #begin({ status, headers }: Answer, ticket: Ticket, content: "events" | "bytes"): void {
    const { caller, runsModel, events } = this.#options;
    if (runsModel) ticket.well();
    caller.begin(status, headers, content);
    events.onAnswering(status);
  }

  #classify(evidence: Parameters<typeof classify>[0]): Verdict {
    return classify(evidence, this.#options.clock.now());
  }
}

function isJson({ headers }: Answer): boolean {
  return /^application\/json\b/i.test(headers["content-type"] ?? "");
}

/** One that can be cut into its events. */
function isStream({ headers }: Answer): boolean {
  const encoding = headers["content-encoding"] ?? "identity";
  return encoding === "identity" && /^text\/event-stream\b/i.test(headers["content-type"] ?? "");
}

function brokenOff(code: string): Failed {
  return {
    verdict: { kind: "transient", retryAfterMs: 0, message: `The model's API broke off: ${code}` },
    status: null,
    failure: failure(502, "api_error", `The model's API could not be reached: ${code}`),
  };
}
