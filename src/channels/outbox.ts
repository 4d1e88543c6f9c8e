/**
 * Brings one channel's replies out, from the ledger alone: whatever dies, the next start goes on with what it finds there.
 *
 * - An attempt is recorded as `sending` before it is made, and what became of it after. So a reply that is found
 *   `sending` while no attempt of ours is under way is one that may have gone out.
 * - Of a chat one reply at a time, the oldest first; a chat that fails keeps its own line waiting and nobody else's.
 * - In memory are ids: of the chats to look at, in order, and of those whose next reply is due later. A text is read when
 *   it is sent, and only as many are as attempts may be under way at once.
 */

import { type Clock, sleep } from "../clock.ts";
import { inputError } from "../contacts/inbound.ts";
import { type Ledger, LedgerError, type LedgerEvent, type Reply } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { iso } from "../views.ts";
import {
  type Channel,
  NotSentError,
  type OutboundReply,
  type SendResult,
  sendResultSchema,
} from "./channel.ts";
import { backoffMs, type DeliveryPolicy, decide, nextStep, type Outcome } from "./delivery.ts";

/** Attempts of one channel that may be under way. */
export const attemptsAtOnce = 8;

/** ms. A channel that has not answered by then leaves the reply unknown. */
export const attemptMs = 30_000;

/** ms that attempts under way are given to end at the close. */
export const closeMs = 5000;

const noAnswer: SendResult = {
  kind: "unknown",
  reason: `The channel did not answer within ${attemptMs / 1000} s.`,
};

const defaultExpireMs = 24 * 3_600_000;

/** ms after which a full or locked storage is tried again. */
const storageRetryMs = 1000;

/** Chats that are read at once at the start. */
const pageSize = 500;

export interface OutboxOptions {
  channel: Channel;
  ledger: Pick<Ledger, "chatsWithReplies" | "nextReply" | "deliver" | "onCommit">;
  clock: Clock;
  log: Logger;
  /** From 0 to 1, 1 excluded. Default: `Math.random`. */
  random?: () => number;
}

/** When a chat is to be looked at again; null: when it is given a reply. */
type Next = { afterMs: number } | null;

export class Outbox {
  readonly #channel: Channel;
  readonly #ledger: OutboxOptions["ledger"];
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #policy: DeliveryPolicy;
  /** Chats to look at, in order. */
  readonly #ready = new Set<string>();
  /** Chats that are looked at now, none of them in `#ready`, and what resolves when that is done. */
  readonly #busy = new Map<string, Promise<void>>();
  /** Chats that were given a reply while they were busy. */
  readonly #again = new Set<string>();
  /** By chat: its reply that waits for the next attempt, and until when, on the monotonic clock. */
  readonly #pauses = new Map<string, { replyId: string; endsAt: number }>();
  /** Chats whose next reply is due later, in neither of these, and what cancels their timers. */
  readonly #later = new Map<string, () => void>();
  /** The attempts under way, to be aborted. */
  readonly #attempts = new Set<AbortController>();
  #closing = false;
  /** After its abort nothing is recorded any more: what is under way is found as `sending` at the next start. */
  readonly #left = new AbortController();
  readonly #unsubscribe: () => void;

  constructor({ channel, ledger, clock, log, random = Math.random }: OutboxOptions) {
    this.#channel = channel;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log.child({ channel: channel.name });
    this.#random = random;
    this.#policy = { afterCrash: channel.afterCrash, expireMs: channel.expireMs ?? defaultExpireMs };
    this.#unsubscribe = ledger.onCommit((events) => this.#hear(events));
  }

  /** Goes on with what the ledger holds. Replies that are committed since the outbox was made need no start. */
  async start(): Promise<void> {
    let after = "";
    while (!this.#closing) {
      const chats = await this.#patiently(() =>
        this.#ledger.chatsWithReplies(this.#channel.name, after, pageSize),
      );
      for (const chatId of chats) this.#look(chatId);
      const last = chats.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  /** Makes no new attempt, and gives those under way a little time, unless `hurry` aborts. Resolves when none is left. */
  async close(hurry: AbortSignal): Promise<void> {
    this.#unsubscribe();
    this.#closing = true;
    this.#ready.clear();
    for (const cancel of this.#later.values()) cancel();
    this.#later.clear();
    const leave = () => this.#leave();
    const cancel = this.#clock.after(closeMs, leave);
    hurry.addEventListener("abort", leave);
    if (hurry.aborted) leave();
    await Promise.all(this.#busy.values());
    hurry.removeEventListener("abort", leave);
    cancel();
  }

  #leave(): void {
    this.#left.abort();
    for (const attempt of this.#attempts) attempt.abort();
  }

  #hear(events: readonly LedgerEvent[]): void {
    for (const event of events) {
      if (event.type !== "reply" || event.reply.channel !== this.#channel.name) continue;
      // What was tried before is pending by our own doing, and we know when it is due.
      if (event.reply.status === "pending" && event.reply.attempts === 0) this.#look(event.chatId);
    }
  }

  /** Has the chat looked at as soon as there is room. */
  #look(chatId: string): void {
    if (this.#busy.has(chatId)) {
      this.#again.add(chatId);
      return;
    }
    this.#later.get(chatId)?.();
    this.#later.delete(chatId);
    this.#ready.add(chatId);
    this.#fill();
  }

  #lookLater(chatId: string, ms: number): void {
    // Wall time may jump while a timer runs, and a sleeping machine's timers stand still: none runs for long.
    const cancel = this.#clock.after(Math.min(ms, backoffMs.most), () => this.#look(chatId));
    this.#later.set(chatId, cancel);
  }

  #fill(): void {
    for (const chatId of this.#ready) {
      if (this.#closing || this.#busy.size >= attemptsAtOnce) return;
      this.#ready.delete(chatId);
      this.#busy.set(chatId, this.#serve(chatId));
    }
  }

  /** Brings at most one reply of the chat out. Never rejects. */
  async #serve(chatId: string): Promise<void> {
    const next = await this.#advance(chatId).catch((error: unknown): Next => {
      if (!this.#left.signal.aborted) this.#log.error({ chatId, error: String(error) }, "a reply is held up");
      return { afterMs: backoffMs.most };
    });
    this.#busy.delete(chatId);
    const again = this.#again.delete(chatId);
    if (this.#closing) return;
    if (again || next?.afterMs === 0) this.#look(chatId);
    else if (next !== null) this.#lookLater(chatId, next.afterMs);
    this.#fill();
  }

  /** Takes the chat's oldest open reply one step on. */
  async #advance(chatId: string): Promise<Next> {
    const reply = await this.#patiently(() => this.#ledger.nextReply(this.#channel.name, chatId));
    const pause = this.#pauses.get(chatId);
    this.#pauses.delete(chatId);
    if (reply === null || this.#closing) return null;
    // A pause that was begun here ends when it was to, whatever the wall clock has become meanwhile.
    const left = pause?.replyId === reply.id ? { pauseMs: pause.endsAt - this.#clock.monotonic() } : {};
    const step = nextStep({ ...reply, ...left }, this.#policy, this.#clock.now(), this.#random());
    switch (step.do) {
      case "wait":
        return this.#pause(reply, step.ms);
      case "record":
        return await this.#record(reply, step.delivery);
      case "send":
        return await this.#send(reply, step.mayBeDouble);
    }
  }

  #pause({ id, chatId }: Reply, ms: number): Next {
    this.#pauses.set(chatId, { replyId: id, endsAt: this.#clock.monotonic() + ms });
    return { afterMs: ms };
  }

  async #send(reply: Reply, mayBeDouble: boolean): Promise<Next> {
    await this.#patiently(() => this.#ledger.deliver(reply.id, { status: "sending" }));
    const tried = { ...reply, attempts: reply.attempts + 1 };
    const result = await this.#attempt(outbound(tried, mayBeDouble));
    if (result === null) return null;
    return await this.#record(tried, decide(tried, result, this.#policy, this.#random()));
  }

  /** What the channel says of it; null when the outbox had to leave before it said anything. Never rejects. */
  async #attempt(reply: OutboundReply): Promise<SendResult | null> {
    if (this.#left.signal.aborted) return null;
    // No `AbortSignal.any`: one that a channel listens to would stay in memory until its abort.
    const attempt = new AbortController();
    const aborted = new Promise<SendResult | null>((resolve) => {
      const end = () => resolve(this.#left.signal.aborted ? null : noAnswer);
      attempt.signal.addEventListener("abort", end);
    });
    const cancel = this.#clock.after(attemptMs, () => attempt.abort());
    this.#attempts.add(attempt);
    try {
      return await Promise.race([aborted, this.#told(reply, attempt.signal)]);
    } finally {
      this.#attempts.delete(attempt);
      cancel();
    }
  }

  async #told(reply: OutboundReply, signal: AbortSignal): Promise<SendResult> {
    const told = sendResultSchema.safeParse(await this.#answered(reply, signal));
    if (told.success) return told.data;
    const { message } = inputError(told.error, "result");
    return { kind: "unknown", reason: `The channel answered what it may not: ${message}.` };
  }

  async #answered(reply: OutboundReply, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#channel.send(reply, reply.id, signal);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return error instanceof NotSentError
        ? { kind: "refused", reason, retry: true }
        : { kind: "unknown", reason };
    }
  }

  async #record(reply: Reply, delivery: Outcome): Promise<Next> {
    if (delivery.status !== "sent") {
      const { id: replyId, chatId, attempts } = reply;
      const { status, error } = delivery;
      // Without the channel's words: they may hold the contact's. Who asks the ledger for the reply reads them.
      this.#log.warn({ chatId, replyId, attempts, status, code: error.code }, "a reply was not delivered");
    }
    await this.#patiently(() => this.#ledger.deliver(reply.id, delivery));
    return delivery.status === "pending" ? this.#pause(reply, delivery.delayMs) : { afterMs: 0 };
  }

  /** A full or locked storage is waited for, until the outbox has to leave. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const passing =
          error instanceof LedgerError && (error.code === "storage_full" || error.code === "storage_busy");
        if (!passing || this.#left.signal.aborted) throw error;
        this.#log.warn({ code: error.code }, "the ledger cannot be used; trying again");
        await sleep(this.#clock, storageRetryMs, this.#left.signal);
      }
    }
  }
}

function outbound(reply: Reply, mayBeDouble: boolean): OutboundReply {
  const { id, chatId, kind, text, answers, route, createdAt, attempts } = reply;
  return {
    id,
    chatId,
    kind,
    text,
    answers,
    route,
    createdAt: iso(createdAt),
    attempt: attempts,
    mayBeDouble,
  };
}
