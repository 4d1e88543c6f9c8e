/** What happened to a message, step by step, from what the ledger keeps of its tries, turns, tool calls and questions. */

import type { Message, Try, Work } from "./ledger/index.ts";
import { iso, type TimelineEntry } from "./views.ts";

type Step = [at: number, entry: TimelineStep];
type TimelineStep = TimelineEntry extends infer Entry
  ? Entry extends TimelineEntry
    ? Omit<Entry, "at">
    : never
  : never;

/** In order of time; what happened in one millisecond in the order in which it must have. */
export function timelineOf(message: Message, { tries, turns, approvals }: Work): TimelineEntry[] {
  const steps: Step[] = [[message.acceptedAt, { what: "accepted" }]];
  for (const { chargedAt, generation, kind, outcome } of tries)
    steps.push([chargedAt, { what: "handed_over", generation, kind, outcome }]);
  for (const turn of turns) steps.push(...stepsOfTurn(turn, tries));
  for (const { askedAt, name, state, decidedBy, endedAt } of approvals)
    steps.push([
      askedAt,
      { what: "approval", tool: name, state, decidedBy, endedAt: endedAt === null ? null : iso(endedAt) },
    ]);
  if (message.endedAt !== null) steps.push([message.endedAt, { what: "ended", status: message.status }]);
  return steps.sort(([a], [b]) => a - b).map(([at, step]) => ({ at: iso(at), ...step }));
}

function stepsOfTurn(turn: Work["turns"][number], tries: readonly Try[]): Step[] {
  const { id: turnId, generation, startedAt, requestAt, firstByteAt, endedAt, outcome, calls } = turn;
  // It runs already: what was done in it before is not for this message.
  const joinedAt = tries.find((each) => each.generation === generation)?.chargedAt ?? startedAt;
  const isJoined = startedAt < joinedAt;
  // On a busy machine the model is asked before the turn is written down.
  const begunAt = Math.min(startedAt, requestAt ?? startedAt);
  const since = isJoined ? joinedAt : Math.max(begunAt, joinedAt);
  const steps: Step[] = [[since, { what: isJoined ? "turn_joined" : "turn_started", turnId, generation }]];
  if (requestAt !== null && !isJoined) steps.push([requestAt, { what: "model_asked" }]);
  if (firstByteAt !== null && !isJoined) steps.push([firstByteAt, { what: "model_answers" }]);
  for (const { name, input, state, startedAt: at, endedAt: end } of calls)
    if (at >= since)
      steps.push([at, { what: "tool", turnId, name, input, state, endedAt: end === null ? null : iso(end) }]);
  if (endedAt !== null && outcome !== null) steps.push([endedAt, { what: "turn_ended", outcome }]);
  return steps;
}
