/**
 * What becomes of the messages that were in a process's hands when it (or the whole daemon) died. Pure.
 *
 * First form: a message that stands in no transcript was not seen by the model and is sent again; one that stands
 * there may have been worked on, and running it twice is worse than saying so.
 */

import type { Failure } from "../ledger/index.ts";

/** A message that was charged and has no end. */
export interface Unfinished {
  messageId: string;
  /** Under each of which it may stand in the transcript. */
  sdkUuids: readonly string[];
  /** The process had told that the model has it; the transcript may not say so yet, for it is written late. */
  taken: boolean;
  /** Its sender has asked to stop it. */
  stopRequested: boolean;
}

export type Verdict =
  | { messageId: string; action: "send" }
  | { messageId: string; action: "fail"; error: Failure }
  | { messageId: string; action: "stop"; ran: boolean };

/** Charged tries that a message gets. */
export const maxTries = 3;

/** `inTranscript`: the uuids of all messages that the session's transcript shows as taken in. */
export function decide(unfinished: readonly Unfinished[], inTranscript: ReadonlySet<string>): Verdict[] {
  return unfinished.map(({ messageId, sdkUuids, taken, stopRequested }) => {
    const seen = sdkUuids.some((uuid) => inTranscript.has(uuid));
    if (stopRequested) return { messageId, action: "stop", ran: seen || taken };
    if (seen) {
      const message = "The session's process ended while Claude was working on it.";
      return { messageId, action: "fail", error: { code: "interrupted", message } };
    }
    if (sdkUuids.length >= maxTries) {
      const message = `The session's process ended before Claude got it, ${sdkUuids.length} times.`;
      return { messageId, action: "fail", error: { code: "tries_exhausted", message } };
    }
    return { messageId, action: "send" };
  });
}
