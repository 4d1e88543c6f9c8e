/**
 * A message on its way through a session, from acceptance to its end. The ledger has the durable part; this is
 * what the live session needs besides.
 */

import { randomUUID } from "node:crypto";
import type { Ending, Message, Try } from "../ledger/index.ts";
import type { Unfinished } from "./recovery.ts";

export type Phase =
  /** In the ledger, and nowhere else. */
  | "queued"
  /** A write about its try is on its way to the ledger. */
  | "pending"
  /** Its try is in the ledger; now it may be handed over. */
  | "charged"
  /** In the open stream of a process. */
  | "handed"
  /** The model has it: a member of the running turn. */
  | "taken";

/** How it left the session. */
export interface End {
  status: Ending["status"] | "answered";
  ran: boolean;
}

export interface Entry {
  readonly message: Message;
  /** When it came to this session, in ms of the monotonic clock. */
  readonly since: number;
  phase: Phase;
  /** One for each charged try, the latest last. */
  readonly sdkUuids: string[];
  /** The contact facts that were handed over with it. */
  facts: string | null;
  stopRequested: boolean;
  readonly end: PromiseWithResolvers<End>;
}

/** An entry for a message that was just accepted. `charged`: its first try was charged with the acceptance. */
export function acceptedEntry(message: Message, charged: boolean, now: number): Entry {
  return entry(message, now, charged ? "charged" : "queued", charged ? [message.id] : []);
}

/** An entry for a message that a dead daemon, or a crashed session, left open: a `sent` one was in a process's hands. */
export function leftEntry(message: Message, tries: readonly Try[], now: number): Entry {
  const uuids = tries.map(({ sdkUuid }) => sdkUuid);
  return entry(message, now, message.status === "sent" ? "handed" : "queued", uuids);
}

function entry(message: Message, since: number, phase: Phase, sdkUuids: string[]): Entry {
  return { message, since, phase, sdkUuids, facts: null, stopRequested: false, end: Promise.withResolvers() };
}

/** In a process's hands: what becomes of it is no longer ours alone to say. */
export function inHand({ phase }: Entry): boolean {
  return phase === "handed" || phase === "taken";
}

/** The uuid of the next try. A process that has seen a uuid swallows it, so only the first try bears the message's id. */
export function nextUuid(entry: Entry): string {
  return entry.sdkUuids.length === 0 ? entry.message.id : randomUUID();
}

/** Under which the process knows the message. */
export function currentUuid({ message, sdkUuids }: Entry): string {
  return sdkUuids.at(-1) ?? message.id;
}

export function unfinished({ message, phase, sdkUuids, stopRequested }: Entry): Unfinished {
  return { messageId: message.id, sdkUuids, taken: phase === "taken", stopRequested };
}
