/** A message's way as spans: from its timeline, when it has its end. Pure; what anybody wrote is in none of them. */

import type { MessageView, TimelineEntry } from "../views.ts";

export interface SpanPlan {
  name: string;
  /** ms since the Unix epoch. */
  start: number;
  end: number;
  attributes: Record<string, string | number>;
  failed: boolean;
  children: SpanPlan[];
}

type Step<What extends TimelineEntry["what"]> = Extract<TimelineEntry, { what: What }>;

/** Null: it has no end yet, or its timeline was not asked for. */
export function spansOf(message: MessageView, tier: string): SpanPlan | null {
  const { id, chatId, status, tries, error, acceptedAt, endedAt, timeline } = message;
  if (endedAt === null || timeline === undefined) return null;
  const end = Date.parse(endedAt);
  const root = span("message", acceptedAt, end, {
    "switchboard.chat.id": chatId,
    "switchboard.message.id": id,
    "switchboard.message.status": status,
    "switchboard.message.tries": tries,
    "switchboard.tier": tier,
    ...(error !== null && { "error.type": error.code }),
  });
  root.failed = status === "failed";
  const handed = timeline.findIndex(({ what }) => what === "handed_over");
  const first = timeline[handed];
  root.children.push(span("wait", acceptedAt, first === undefined ? end : Date.parse(first.at)));
  if (handed !== -1) root.children.push(...triesOf(timeline.slice(handed), end));
  return root;
}

/** Each goes to the next one, or to the message's end. */
function triesOf(timeline: readonly TimelineEntry[], end: number): SpanPlan[] {
  const starts = timeline.flatMap((step, at) => (step.what === "handed_over" ? [{ step, at }] : []));
  return starts.map(({ step, at }, n) => {
    const next = starts[n + 1];
    const until = next === undefined ? end : Date.parse(next.step.at);
    const { generation, kind, outcome } = step;
    const plan = span("try", step.at, until, {
      "switchboard.process.generation": generation,
      "switchboard.try.kind": kind,
      "switchboard.try.outcome": outcome ?? "open",
    });
    plan.failed = outcome === "lost" || outcome === "failed";
    plan.children = stepsOf(timeline.slice(at + 1, next?.at), until);
    return plan;
  });
}

/** Turns with what was done in them; what belongs to none stands beside them. */
function stepsOf(timeline: readonly TimelineEntry[], until: number): SpanPlan[] {
  const plans: SpanPlan[] = [];
  let turn: SpanPlan | null = null;
  for (const [at, step] of timeline.entries()) {
    const into: SpanPlan[] = turn?.children ?? plans;
    switch (step.what) {
      case "turn_started":
      case "turn_joined":
        turn = span("turn", step.at, until, { "switchboard.turn.id": step.turnId });
        plans.push(turn);
        break;
      case "turn_ended":
        if (turn !== null) close(turn, step);
        turn = null;
        break;
      case "model_asked": {
        const answers = timeline.slice(at).find(({ what }) => what === "model_answers");
        into.push(span("model first byte", step.at, answers === undefined ? until : Date.parse(answers.at)));
        break;
      }
      case "tool":
        into.push(tool(step, until));
        break;
      case "approval":
        into.push(approval(step, until));
        break;
    }
  }
  return plans;
}

function close(turn: SpanPlan, { at, outcome }: Step<"turn_ended">): void {
  turn.end = Date.parse(at);
  turn.attributes["switchboard.turn.outcome"] = outcome;
  turn.failed = outcome === "failed" || outcome === "cut";
}

function tool({ at, name, state, endedAt }: Step<"tool">, until: number): SpanPlan {
  const end = endedAt === null ? until : Date.parse(endedAt);
  const plan = span(`tool ${name}`, at, end, { "gen_ai.tool.name": name, "switchboard.tool.state": state });
  plan.failed = state === "failed" || state === "unknown";
  return plan;
}

function approval({ at, tool, state, endedAt }: Step<"approval">, until: number): SpanPlan {
  const end = endedAt === null ? until : Date.parse(endedAt);
  return span("approval", at, end, { "gen_ai.tool.name": tool, "switchboard.approval.state": state });
}

/** The way of a reply through its channel, from its making to what became of it. */
export function deliverySpan(
  { id, status, attempts }: { id: string; status: string; attempts: number },
  madeAt: string,
  at: string,
): SpanPlan {
  const plan = span("delivery", madeAt, Date.parse(at), {
    "switchboard.reply.id": id,
    "switchboard.reply.status": status,
    "switchboard.reply.attempts": attempts,
  });
  plan.failed = status !== "sent";
  return plan;
}

/** A clock that was set back makes no span that ends before it began. */
function span(name: string, from: string, end: number, attributes: SpanPlan["attributes"] = {}): SpanPlan {
  const start = Date.parse(from);
  return { name, start, end: Math.max(start, end), attributes, failed: false, children: [] };
}
