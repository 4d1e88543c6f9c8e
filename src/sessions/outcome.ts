/** What the end of a turn means for the messages in it. Pure. */

import type { ClaudeEvent } from "../claude/index.ts";
import type { Ending, TurnOutcome } from "../ledger/index.ts";

type Ended = Extract<ClaudeEvent, { type: "done" | "failed" }>;

export const stoppedBefore: Omit<Ending, "messageId"> = { status: "stopped", ran: false, error: null };
const stoppedInside: Omit<Ending, "messageId"> = { status: "stopped", ran: true, error: null };

/** How the members of an ended turn end; empty when they are answered. */
export function endingsOf(
  event: Ended,
  members: ReadonlyArray<{ id: string; stopRequested: boolean }>,
): Ending[] {
  if (event.type === "done" && event.text !== "") return [];
  const error =
    event.type === "failed"
      ? { code: event.code, message: event.message }
      : { code: "empty_answer", message: "Claude gave an empty answer." };
  const interrupted = event.type === "failed" && event.interrupted;
  return members.map(({ id, stopRequested }) => ({
    messageId: id,
    ...(interrupted && stopRequested ? stoppedInside : { status: "failed" as const, ran: null, error }),
  }));
}

export function outcomeOf(endings: readonly Ending[]): TurnOutcome {
  if (endings.length === 0) return "answered";
  return endings.some(({ status }) => status === "stopped") ? "stopped" : "failed";
}
