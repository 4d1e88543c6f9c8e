/** What happened to a message, step by step, from what the ledger keeps of it. */

import type { Message, ProcessRecord, Reply, Try, Work } from "./ledger/index.ts";
import { type Delivered, iso, type TimelineEntry } from "./views.ts";

type Step = [at: number, entry: TimelineStep];
type TimelineStep = TimelineEntry extends infer Entry
  ? Entry extends TimelineEntry
    ? Omit<Entry, "at">
    : never
  : never;
type WorkTurn = Work["turns"][number];

/** In order of time; what happened in one millisecond in the order in which it must have. */
export function timelineOf(message: Message, work: Work): TimelineEntry[] {
  const steps: Step[] = [[message.acceptedAt, { what: "accepted" }]];
  for (const run of work.processes) steps.push(...stepsOfRun(run, message, work));
  for (const { askedAt, name, state, decidedBy, endedAt } of work.approvals)
    steps.push([
      askedAt,
      { what: "approval", tool: name, state, decidedBy, endedAt: endedAt === null ? null : iso(endedAt) },
    ]);
  for (const { at, code, text } of work.remarks) steps.push([at, { what: "remark", code, text }]);
  if (message.endedAt !== null) steps.push([message.endedAt, { what: "ended", status: message.status }]);
  for (const notice of work.notices)
    steps.push([notice.createdAt, { what: "notice", text: notice.text, ...delivered(notice) }]);
  if (message.reply !== null)
    steps.push([message.reply.createdAt, { what: "reply", ...delivered(message.reply) }]);
  return steps.sort(([a], [b]) => a - b).map(([at, step]) => ({ at: iso(at), ...step }));
}

function stepsOfRun(run: ProcessRecord, message: Message, { tries, turns }: Work): Step[] {
  const { generation, startedAt, startReason } = run;
  const its = tries.filter((each) => each.generation === generation);
  const steps: Step[] = [];
  // Another message may have had it started before.
  if (startedAt >= message.acceptedAt)
    steps.push([startedAt, { what: "process_started", generation, reason: startReason }]);
  for (const { chargedAt, kind, outcome } of its)
    steps.push([chargedAt, { what: "handed_over", generation, kind, outcome }]);
  const end = endWithin(run, message, its);
  if (end !== null) steps.push(end);
  for (const turn of turns)
    if (turn.generation === generation) steps.push(...stepsOfTurn(turn, its, end?.[0]));
  return steps;
}

/** The end that the message has lived to see; one that had its answer by then has nothing to do with it. */
function endWithin(
  { generation, endedAt, endReason }: ProcessRecord,
  message: Message,
  its: Try[],
): Step | null {
  if (endedAt === null || endReason === null) return null;
  const isLeft = its.some(({ outcome }) => outcome === "lost" || outcome === "excused");
  if (!isLeft && message.endedAt !== null && endedAt >= message.endedAt) return null;
  return [endedAt, { what: "process_ended", generation, reason: endReason }];
}

/** `processEnd`: ms. */
function stepsOfTurn(turn: WorkTurn, its: readonly Try[], processEnd = Number.POSITIVE_INFINITY): Step[] {
  const { id: turnId, generation, startedAt, requestAt, firstByteAt, endedAt, outcome, calls } = turn;
  // An answer from the transcript gets a turn of its own, in which nobody works.
  if (startedAt >= processEnd)
    return endedAt === null ? [] : [[endedAt, { what: "answer_found", generation }]];
  // It runs already: what was done in it before is not for this message.
  const joinedAt = its[0]?.chargedAt ?? startedAt;
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
  if (endedAt === null || outcome === null) return steps;
  const isFound = outcome === "answered" && endedAt > processEnd;
  return [
    ...steps,
    [endedAt, isFound ? { what: "answer_found", generation } : { what: "turn_ended", outcome }],
  ];
}

function delivered({ status, attempts, error }: Reply): Delivered {
  return { status, attempts, error };
}
