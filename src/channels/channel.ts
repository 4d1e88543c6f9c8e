/**
 * The port by which messages arrive and replies leave. A channel knows one messenger; it decides nothing about sessions,
 * retries or order. The rules between it and its host:
 *
 * - It acknowledges a message to its messenger when `receive` has resolved, not before: then it is on disk.
 *   What the messenger delivers twice is handed over twice; with the messenger's own `id` it is accepted once.
 * - A reply is handed over again and again until the channel says what became of it. Each attempt bears the same
 *   idempotency key, so a messenger that knows such keys shows the reply once.
 * - A channel never guesses: what may have gone out is `unknown`, not `refused`. Only what certainly did not is sent
 *   again without a doubt.
 */

import { z } from "zod";
import type { InboundInput } from "../contacts/inbound.ts";
import type { Json } from "../ledger/index.ts";
import type { Receipt } from "../views.ts";

/**
 * What becomes of a reply that may or may not have gone out. `resend`: it is sent again, as it is, for the messenger tells
 * doubles apart by the key. `mark`: it is sent again and marked as a possible double. `hold`: it waits, `uncertain`, until
 * somebody asks for a retry.
 */
export type AfterCrash = "resend" | "mark" | "hold";

/** One reply on its way out. */
export interface OutboundReply {
  id: string;
  chatId: string;
  kind: "answer" | "notice";
  text: string;
  /** Ids of the messages that it answers, or, for a notice, that it is about. */
  answers: string[];
  /** What came with the first of these messages. */
  route: Json;
  /** ISO 8601, UTC. */
  createdAt: string;
  /** From 1. */
  attempt: number;
  /** The contact may have it already; only ever set for a channel with `afterCrash: "mark"`, which tells the contact so. */
  mayBeDouble: boolean;
}

/** Why an attempt came to nothing, for people; the rest of a long one is cut off. */
const reason = z.string().transform((text) => text.slice(0, 500).toWellFormed());

/** What `send` answers; not only a type, because a channel may be written in JavaScript. */
export const sendResultSchema = z.discriminatedUnion("kind", [
  /** The messenger has it for good. */
  z.strictObject({ kind: z.literal("sent") }),
  /**
   * It certainly did not go out. `retry`: whether it may the next time; then not earlier than after `afterMs` (default: as
   * the outbox likes).
   */
  z.strictObject({
    kind: z.literal("refused"),
    reason,
    retry: z.boolean(),
    afterMs: z.number().nonnegative().optional(),
  }),
  /** It may have gone out. */
  z.strictObject({ kind: z.literal("unknown"), reason }),
]);

/** What became of an attempt to send a reply. */
export type SendResult = z.output<typeof sendResultSchema>;

/** Thrown by `send`: the attempt never started (no connection, say), so it is made again. Any other error is an `unknown`. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

/** What a channel can ask of Switchboard. */
export interface ChannelHost {
  /**
   * Accepts a message for a chat; resolves when it is on disk. Its replies go out by this channel, with its `route`.
   * Errors are `SwitchboardError`s. After `overloaded`, `rate_limited`, `draining`, `storage_full` and `storage_busy` the message should come
   * again; the others tell what is wrong with it, and it would be refused again.
   */
  receive(chatId: string, inbound: InboundInput): Promise<Receipt>;
  /** Somebody is writing: the chat's process is woken ahead of the message. Never throws; what is unknown is ignored. */
  typing(chatId: string): void;
}

export interface Channel {
  /** Names it in messages and in the ledger: it must stay the same as long as replies wait for it. */
  readonly name: string;
  readonly afterCrash: AfterCrash;
  /** ms. A reply that is older is given up instead of being sent again. Default: 24 h. */
  readonly expireMs?: number;
  /** A message that consists of one of these stops what the chat is doing, and the model never sees it. */
  readonly stopWords: readonly string[];
  /**
   * Begins to take messages in. Called once, before the first `send`. A rejection keeps Switchboard from opening: a
   * messenger that is away for now is none.
   */
  start(host: ChannelHost): Promise<void>;
  /**
   * Called for one reply of a chat at a time, in order, and for a few chats at once. What it says after the abort of
   * `signal` is not heard any more: it should then stop at once. `idempotencyKey` is the same for each attempt.
   */
  send(reply: OutboundReply, idempotencyKey: string, signal: AbortSignal): Promise<SendResult>;
  /** Takes no more messages in. Called once, after the last `send` has ended or been aborted. */
  stop(): Promise<void>;
}

/** Whether the text is nothing but one of the words, without regard to case, white space around it, or a last `.` or `!`. */
export function isStopWord(text: string, stopWords: readonly string[]): boolean {
  const said = plain(text);
  return stopWords.some((word) => plain(word) === said);
}

function plain(text: string): string {
  return text
    .trim()
    .replace(/[.!]+$/u, "")
    .normalize("NFC")
    .toLowerCase();
}
