/**
 * What a dead process (or a dead daemon) left open, settled: reads the transcript, has `recovery` decide, and writes down
 * what is over. What goes on is told to the caller.
 */

import { randomUUIDv7 } from "node:crypto";
import type { TranscriptTurn } from "../claude/index.ts";
import type { TurnEnd } from "../ledger/index.ts";
import type { Book } from "./book.ts";
import { type End, type Entry, putBack, unfinished } from "./entry.ts";
import { sdkSessionIdOf } from "./ground.ts";
import { failureNotices } from "./notices.ts";
import { outcomeOf } from "./outcome.ts";
import { type Decision, decide } from "./recovery.ts";
import type { OpenTurn } from "./turn.ts";

export interface Left {
  /** Every message that has been charged. */
  entries: readonly Entry[];
  /** The turn that was cut, when this daemon saw it begin. */
  turn: OpenTurn | null;
  /** The death was not the messages' fault: their tries do not count. */
  excused: boolean;
}

export interface Settled {
  ends: Array<{ entry: Entry; end: End }>;
  continued: Continuation | null;
  /** Queued again. */
  requeued: Entry[];
}

/** A cut turn that the next process takes up again. */
export interface Continuation {
  entries: Entry[];
  text: string;
  progress: number;
}

export async function settle(left: Left, turns: readonly TranscriptTurn[], book: Book): Promise<Settled> {
  const byId = new Map(left.entries.map((entry) => [entry.message.id, entry]));
  const entriesOf = (ids: readonly string[]) => ids.flatMap((id) => byId.get(id) ?? []);
  // What happened now counts for what is decided now.
  const outcome = left.excused ? "excused" : "lost";
  const states = left.entries.map((entry) => {
    const { tries, ...state } = unfinished(entry);
    return { ...state, tries: tries.map((each) => ({ ...each, outcome: each.outcome ?? outcome })) };
  });
  const decision = decide(states, turns);
  const continued = decision.continued === null ? [] : entriesOf(decision.continued.messageIds);
  const requeued = [...continued, ...entriesOf(decision.sent)];
  await write(left, decision, requeued, outcome, book);
  for (const entry of requeued) putBack(entry, outcome);
  return {
    ends: endsOf(decision, entriesOf),
    continued: decision.continued === null ? null : { ...decision.continued, entries: continued },
    requeued,
  };
}

/** In several transactions, each of which can be repeated alone, and leaves a state from which the next start decides the same. */
async function write(
  { entries, turn }: Left,
  decision: Decision,
  requeued: readonly Entry[],
  outcome: "lost" | "excused",
  book: Book,
): Promise<void> {
  const { record } = book.known;
  if (requeued.length > 0) {
    const ids = requeued.map(({ message }) => message.id);
    await book.write((ledger, lease) => ledger.requeue(lease, ids, outcome));
  }
  let open = turn;
  for (const { messageIds, text } of decision.answered) {
    const live = open?.members.some(({ message }) => messageIds.includes(message.id));
    const turnId = live && open !== null ? open.id : randomUUIDv7();
    if (live) open = null;
    else {
      const begin = {
        id: turnId,
        sessionId: record.id,
        generation: generationOf(entries, messageIds),
        messageIds,
      };
      await book.write((ledger, lease) => ledger.beginTurn(lease, begin));
    }
    const end: TurnEnd = {
      ...nothing,
      turnId,
      outcome: "answered",
      messageIds,
      reply: { id: randomUUIDv7(), text },
      proven: { sessionId: record.id, sdkSessionId: sdkSessionIdOf(record), toldFacts: null },
    };
    await book.write((ledger, lease) => ledger.endTurn(lease, end));
  }
  const notices = failureNotices(decision.ended);
  const cut = open === null ? null : cutTurn(open, decision, notices);
  if (cut !== null) await book.write((ledger, lease) => ledger.endTurn(lease, cut));
  else if (decision.ended.length > 0)
    await book.write((ledger, lease) => ledger.endMessages(lease, decision.ended, notices));
}

const nothing: Omit<TurnEnd, "turnId" | "outcome" | "messageIds"> = {
  reply: null,
  endings: [],
  notices: [],
  proven: null,
  usage: null,
  requestAt: null,
  firstByteAt: null,
};

/** `cut` when some of its messages go on. */
function cutTurn(turn: OpenTurn, { ended }: Decision, notices: TurnEnd["notices"]): TurnEnd {
  const messageIds = turn.members.map(({ message }) => message.id);
  const own = ended.filter(({ messageId }) => messageIds.includes(messageId));
  const goesOn = own.length < messageIds.length;
  const outcome = goesOn ? "cut" : outcomeOf(own);
  return { ...nothing, turnId: turn.id, outcome, messageIds, endings: ended, notices };
}

/** Under which the last of these was tried. */
function generationOf(entries: readonly Entry[], messageIds: readonly string[]): number {
  const tried = entries.filter(({ message }) => messageIds.includes(message.id));
  return Math.max(...tried.flatMap(({ tries }) => tries.map(({ generation }) => generation)));
}

function endsOf(
  decision: Decision,
  entriesOf: (ids: readonly string[]) => Entry[],
): Array<{ entry: Entry; end: End }> {
  const answered = decision.answered.flatMap(({ messageIds }) =>
    entriesOf(messageIds).map((entry) => ({ entry, end: { status: "answered" as const, ran: true } })),
  );
  const ended = decision.ended.flatMap(({ messageId, status, ran }) =>
    entriesOf([messageId]).map((entry) => ({ entry, end: { status, ran: ran ?? true } })),
  );
  return [...answered, ...ended];
}
