/**
 * The line to the model's API. All processes share one credential, so they share what befalls it: while the API is in
 * trouble one request at a time tries it, and the others wait behind that one instead of each finding out by itself.
 *
 * - Open: whoever comes leaves at once.
 * - Backing off (`transient`): nobody leaves before the pause is over; then one request probes. Each failed probe makes
 *   the next pause longer. A probe that is silent for `slowProbeMs` may hang for reasons of its own: then the next one
 *   probes beside it.
 * - Held (`limit`, `authentication`, `billing`): the same, but the time of the next probe is the limit's own, or fixed.
 * - A probe that is answered opens the line. Who has waited is let go in growing steps, for an API that has just come
 *   back would break under all of them; who comes meanwhile stands behind them.
 *
 * Only a probe can say that the line is well: requests that left earlier prove nothing about now. A request that does
 * not run the model never probes; it leaves when the time has come and its outcome says nothing.
 *
 * Holds no connection and no request: it is told outcomes, and calls who may leave.
 */
import type { Clock } from "../clock.ts";
import type { TroubleVerdict } from "./classify.ts";
import { pauseMs, type Times } from "./times.ts";

/** What ails the line. Times are ms since the Unix epoch. */
export interface Trouble {
  /** `transient` passes by itself; the others hold the line until a time or until somebody does something. */
  readonly kind: TroubleVerdict["kind"];
  readonly since: number;
  /** Before this no request leaves; after it, one. */
  readonly until: number;
  /** The API's own text, for operators. */
  readonly message: string;
}

/** The right to send one request. */
export interface Ticket {
  /** The model has begun to answer. */
  well(): void;
  /** Also after `well`, when the answer broke off. */
  failed(verdict: TroubleVerdict): void;
  /** To be called at the end in any case: a probe without an outcome makes room for the next. */
  leave(): void;
}

export interface Waiter {
  readonly probes: boolean;
  /** Called in each trouble that it meets or that begins while it waits. */
  told(trouble: Trouble): void;
}

export interface LineOptions {
  clock: Clock;
  /** From 0 to 1. */
  random: () => number;
  times: Pick<Times, "firstPauseMs" | "longestPauseMs" | "paceMs" | "probeEveryMs" | "slowProbeMs">;
}

/** ms. A wall clock may jump, and a sleeping machine's timers stand still: a far time is looked at in between. */
const lookEveryMs = 60_000;

export class Line {
  readonly #options: LineOptions;
  readonly #listeners = new Set<(trouble: Trouble | null) => void>();
  /** Who waits, in order, and how each is let go. */
  readonly #queue = new Map<Waiter, (ticket: Ticket) => void>();
  #trouble: Trouble | null = null;
  /** When the next probe is due, on the monotonic clock. Of a limit, its `until` tells instead. */
  #dueAt = 0;
  #failuresInARow = 0;
  /** Those under way since the line was last open. */
  readonly #probes = new Set<Ticket>();
  /** The one that the others wait for, and what cancels its time. */
  #probe: { ticket: Ticket; cancel: () => void } | null = null;
  /** How many are let go in the next step. */
  #step = 1;
  #cancelTimer: (() => void) | null = null;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Null: open. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** ms for which nobody is let through, so that no process needs to be started for it; 0: somebody may try. */
  get holdMs(): number {
    if (this.#trouble === null || this.#trouble.kind === "transient") return 0;
    return Math.max(0, this.#remainingMs(this.#trouble));
  }

  /**
   * Calls `listener` once for each change of the kind of trouble, and when a limit names another time. Returns a
   * function that ends it.
   */
  onChange(listener: (trouble: Trouble | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A ticket at once when the line is open; else in its turn. Null when `signal` aborts before that. */
  enter(waiter: Waiter, signal: AbortSignal): Ticket | null | Promise<Ticket | null> {
    if (signal.aborted) return null;
    if (this.#trouble === null && this.#queue.size === 0) return this.#ticket();
    const { promise, resolve } = Promise.withResolvers<Ticket | null>();
    const giveUp = () => {
      this.#queue.delete(waiter);
      resolve(null);
      if (this.#queue.size === 0) this.#rest();
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#queue.set(waiter, (ticket) => {
      signal.removeEventListener("abort", giveUp);
      resolve(ticket);
    });
    if (this.#trouble === null) return promise;
    this.#look();
    // Whoever may leave now, as the probe, finds out by itself.
    if (this.#queue.has(waiter)) waiter.told(this.#trouble);
    return promise;
  }

  #ticket(): Ticket {
    const ticket: Ticket = {
      well: () => {
        if (this.#probes.has(ticket)) this.#open();
      },
      failed: (verdict) => this.#failed(verdict, this.#isOver(ticket)),
      leave: () => {
        if (this.#isOver(ticket)) this.#look();
      },
    };
    return ticket;
  }

  /** Whether it was a probe. */
  #isOver(ticket: Ticket): boolean {
    if (this.#probe?.ticket === ticket) this.#waitForNoProbe();
    return this.#probes.delete(ticket);
  }

  #waitForNoProbe(): void {
    this.#probe?.cancel();
    this.#probe = null;
  }

  #open(): void {
    this.#probes.clear();
    this.#waitForNoProbe();
    this.#failuresInARow = 0;
    this.#step = 1;
    this.#change(null);
    this.#look();
  }

  #failed(verdict: TroubleVerdict, probing: boolean): void {
    if (probing || this.#trouble === null || outlasts(verdict, this.#trouble)) {
      this.#change(this.#troubleOf(verdict));
    }
    this.#look();
  }

  #troubleOf(verdict: TroubleVerdict): Trouble {
    const { clock, random, times } = this.#options;
    const now = clock.now();
    const held = this.#trouble;
    // An API that is down says nothing about the credential: what was known of it stays.
    const { kind, message } =
      verdict.kind === "transient" && (held?.kind === "authentication" || held?.kind === "billing")
        ? held
        : verdict;
    const since = held?.kind === kind ? held.since : now;
    this.#failuresInARow = kind === "transient" ? this.#failuresInARow + 1 : 0;
    if (verdict.kind === "limit") return { kind: "limit", since, until: verdict.until, message };
    const pause =
      kind === "transient" && verdict.kind === "transient"
        ? verdict.retryAfterMs + pauseMs(this.#failuresInARow, random, times)
        : times.probeEveryMs;
    this.#dueAt = clock.monotonic() + pause;
    return { kind, since, until: now + pause, message };
  }

  #change(trouble: Trouble | null): void {
    const before = this.#trouble;
    this.#trouble = trouble;
    const news =
      trouble?.kind !== before?.kind || (trouble?.kind === "limit" && trouble.until !== before?.until);
    if (!news) return;
    for (const listener of this.#listeners) listener(trouble);
    if (trouble !== null) for (const waiter of this.#queue.keys()) waiter.told(trouble);
  }

  /** Lets go who may leave now, and sets the timer for who may not yet. */
  #look(): void {
    this.#rest();
    if (this.#queue.size === 0) return;
    const wait = this.#trouble === null ? 0 : this.#remainingMs(this.#trouble);
    if (wait > 0) {
      this.#lookIn(Math.min(wait, lookEveryMs));
      return;
    }
    if (this.#trouble === null) this.#letGoStep();
    else this.#letGoProbe();
  }

  #letGoStep(): void {
    for (const waiter of [...this.#queue.keys()].slice(0, this.#step)) this.#letGo(waiter, this.#ticket());
    this.#step *= 2;
    if (this.#queue.size > 0) this.#lookIn(this.#options.times.paceMs);
  }

  #letGoProbe(): void {
    for (const waiter of [...this.#queue.keys()]) {
      if (!waiter.probes) this.#letGo(waiter, this.#ticket());
      else if (this.#probe === null) this.#letGo(waiter, this.#probing());
    }
  }

  #probing(): Ticket {
    const { clock, times } = this.#options;
    const ticket = this.#ticket();
    const cancel = clock.after(times.slowProbeMs, () => {
      this.#probe = null;
      this.#look();
    });
    this.#probes.add(ticket);
    this.#probe = { ticket, cancel };
    return ticket;
  }

  #letGo(waiter: Waiter, ticket: Ticket): void {
    const go = this.#queue.get(waiter);
    this.#queue.delete(waiter);
    go?.(ticket);
  }

  #remainingMs({ kind, until }: Trouble): number {
    const { clock } = this.#options;
    return kind === "limit" ? until - clock.now() : this.#dueAt - clock.monotonic();
  }

  #lookIn(ms: number): void {
    this.#cancelTimer = this.#options.clock.after(ms, () => this.#look());
  }

  #rest(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}

/** Requests that left before the line was in trouble come back one by one; only news of something longer counts. */
function outlasts(verdict: TroubleVerdict, trouble: Trouble): boolean {
  if (verdict.kind === "transient") return false;
  if (trouble.kind === "transient") return true;
  return verdict.kind === "limit" && verdict.until > trouble.until;
}
