/**
 * A message on its way through a session, from acceptance to its end. The ledger has the durable part; this is
 * what the live session needs besides.
 */

import { randomUUID } from "node:crypto";
import type { Claim, Ending, Message, Try } from "../ledger/index.ts";
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

/** A try, as far as the next one and the recovery go by it. */
export type TryState = Pick<Try, "sdkUuid" | "kind" | "progress" | "outcome" | "generation">;

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
  readonly tries: TryState[];
  /** The contact facts that were handed over with it. */
  facts: string | null;
  /** The content of its attachments, from the charge of a try until it is handed over. */
  files: readonly Uint8Array[];
  /** What Claude has to know of an earlier try that is not in the transcript. */
  note: string | null;
  stopRequested: boolean;
  /** Its turn only failed and is left out of the conversation; it is to be sent anew. */
  again: boolean;
  readonly end: PromiseWithResolvers<End>;
}

/** An entry for a message that was just accepted. `claim`: under which its first try was charged with the acceptance. */
export function acceptedEntry(message: Message, claim: Claim | null, now: number): Entry {
  return claim === null
    ? entry(message, now, "queued", [])
    : entry(message, now, "charged", [sendOf(message.id, claim.generation)]);
}

/** An entry for a message that a dead daemon, or a crashed session, left open: a `sent` one was in a process's hands. */
export function leftEntry(message: Message, tries: readonly Try[], now: number): Entry {
  return entry(message, now, message.status === "sent" ? "handed" : "queued", [...tries]);
}

function entry(message: Message, since: number, phase: Phase, tries: TryState[]): Entry {
  const end = Promise.withResolvers<End>();
  return {
    message,
    since,
    phase,
    tries,
    facts: null,
    files: [],
    note: null,
    stopRequested: false,
    again: false,
    end,
  };
}

/** A try that hands the message over under `sdkUuid`. */
export function sendOf(sdkUuid: string, generation: number): TryState {
  return { sdkUuid, kind: "send", progress: 0, outcome: null, generation };
}

/** In a process's hands: what becomes of it is no longer ours alone to say. */
export function inHand({ phase }: Entry): boolean {
  return phase === "handed" || phase === "taken";
}

/** The uuid of the next try. A process that has seen a uuid swallows it, so only the first try bears the message's id. */
export function nextUuid(entry: Entry): string {
  return entry.tries.length === 0 ? entry.message.id : randomUUID();
}

/** Under which the process knows the message, and those that were handed over as one with it. */
export function currentUuid({ message, tries }: Entry): string {
  return tries.at(-1)?.sdkUuid ?? message.id;
}

/** Back in the queue: its try came to nothing. */
export function putBack(entry: Entry, outcome: "lost" | "excused"): void {
  const last = entry.tries.at(-1);
  if (last !== undefined && last.outcome === null) entry.tries[entry.tries.length - 1] = { ...last, outcome };
  entry.phase = "queued";
}

export function unfinished({ message, phase, tries, stopRequested, again }: Entry): Unfinished {
  return { messageId: message.id, tries, taken: phase === "taken", stopRequested, again };
}
