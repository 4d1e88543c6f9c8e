/** What the end of a turn, or of a process in mid-turn, means for the messages in it. Pure. */

import type { ClaudeEvent } from "../claude/index.ts";
import type { Ending, TurnEnd, TurnOutcome } from "../ledger/index.ts";
import type { Verdict } from "./recovery.ts";
import type { OpenTurn } from "./turn.ts";

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

/** The end of a turn whose process is gone. */
export function cutTurn(turn: OpenTurn, endings: Ending[]): TurnEnd {
  const outcome = endings.some(({ status }) => status === "stopped") ? "stopped" : "failed";
  const messageIds = turn.members.map(({ message }) => message.id);
  const nothing = { reply: null, proven: null, usage: null, requestAt: null, firstByteAt: null };
  return { turnId: turn.id, outcome, messageIds, endings, ...nothing };
}

/** What recovery decided, as endings; those to be sent again have none. */
export function endingsAfter(verdicts: readonly Verdict[]): Ending[] {
  return verdicts.flatMap(endingAfter);
}

function endingAfter(verdict: Verdict): Ending[] {
  const { messageId } = verdict;
  switch (verdict.action) {
    case "send":
      return [];
    case "stop":
      return [{ messageId, status: "stopped", ran: verdict.ran, error: null }];
    case "fail":
      return [{ messageId, status: "failed", ran: null, error: verdict.error }];
  }
}
