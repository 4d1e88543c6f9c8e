/**
 * What becomes of the messages that were in a process's hands when it (or the whole daemon) died. Pure: it goes by the
 * tries in the ledger and by the session's transcript, which is all that is left.
 *
 * - Stands it in no turn, then the model does not know it: it is sent again.
 * - Was its turn answered, then the answer is taken from the transcript, and nothing is asked again.
 * - Was its turn left open, then the turn is continued where it stopped. Only the last turn can be: what a process that
 *   outlived the API began behind it without getting a word is left out of the conversation, and sent again.
 * - An interrupted turn is never continued, and one that ended in an error has failed.
 *
 * Of a message that stands in several turns, because all but the last are left out of the conversation, the last counts.
 * Whoever shared a turn shares its fate, as long as they have tries left. Each message gets three; a continuation that
 * achieved something is none of them, so that long work survives more than three deaths, and there is an end to those, too.
 */

import type { TranscriptTurn } from "../claude/index.ts";
import type { Ending, Failure, Try } from "../ledger/index.ts";

/** A message that was charged and has no end. */
export interface Unfinished {
  messageId: string;
  /** Oldest first, the last one included. */
  tries: ReadonlyArray<Pick<Try, "sdkUuid" | "kind" | "progress" | "outcome">>;
  /** The process had told that the model has it; the transcript may not say so yet, for it is written late. */
  taken: boolean;
  /** Its sender has asked to stop it. */
  stopRequested: boolean;
  /** If its turn has failed, that turn is left out of the conversation, and the message may be sent anew. */
  again: boolean;
}

/** Each message is in exactly one of these. */
export interface Decision {
  answered: Array<{ messageIds: string[]; text: string }>;
  /** The cut turn, with what it has said and achieved so far. */
  continued: { messageIds: string[]; text: string; progress: number } | null;
  sent: string[];
  ended: Ending[];
}

/** Tries that a message gets. */
export const maxTries = 3;

/** Continuations that a message gets when each of them achieves something. */
export const maxContinuations = 20;

export function decide(unfinished: readonly Unfinished[], all: readonly TranscriptTurn[]): Decision {
  const turns = lasting(unfinished, all);
  const decision: Decision = { answered: [], continued: null, sent: [], ended: [] };
  const byTurn = Map.groupBy(unfinished, (message) => turns.findLast((turn) => standsIn(message, turn)));
  for (const turn of turns) {
    const members = byTurn.get(turn);
    if (members !== undefined) decideTurn(decision, turn, members, turn === turns.at(-1));
  }
  for (const message of byTurn.get(undefined) ?? []) decideUnseen(decision, message);
  return decision;
}

/**
 * The turns up to the one that is to be continued, if all that stand behind it came to nothing. Of several it is the
 * first: the others began behind it, so they are what stands in its way.
 */
export function lasting(
  unfinished: readonly Unfinished[],
  turns: readonly TranscriptTurn[],
): readonly TranscriptTurn[] {
  const begun = turns.findLastIndex(({ end, progress }) => end.kind !== "open" || progress > 0);
  const wanted = turns.findIndex(
    (turn, at) =>
      at >= begun && turn.end.kind === "open" && unfinished.some((message) => standsIn(message, turn)),
  );
  return wanted === -1 ? turns : turns.slice(0, wanted + 1);
}

function standsIn({ tries }: Unfinished, { members }: TranscriptTurn): boolean {
  return tries.some(({ sdkUuid }) => members.includes(sdkUuid));
}

function decideTurn(
  decision: Decision,
  turn: TranscriptTurn,
  members: readonly Unfinished[],
  isLast: boolean,
): void {
  const end = (ending: (messageId: string) => Ending) =>
    decision.ended.push(...members.map(({ messageId }) => ending(messageId)));
  switch (turn.end.kind) {
    case "answered":
      decision.answered.push({ messageIds: members.map(({ messageId }) => messageId), text: turn.text });
      return;
    case "interrupted":
      end(stopped);
      return;
    case "failed": {
      const { code, message } = turn.end;
      for (const member of members) {
        const again = member.again || wasSentSince(member, turn);
        if (again && turn.progress === 0) decideUnseen(decision, member);
        else decision.ended.push(failed(member.messageId, { code, message }));
      }
      return;
    }
    case "open":
      decideOpen(decision, turn, members, isLast);
  }
}

/** An earlier daemon had decided to send it anew, and died before the message came to stand in another turn. */
function wasSentSince({ tries }: Unfinished, { members }: TranscriptTurn): boolean {
  const last = tries.at(-1);
  return last !== undefined && !members.includes(last.sdkUuid);
}

function decideOpen(
  decision: Decision,
  turn: TranscriptTurn,
  members: readonly Unfinished[],
  isLast: boolean,
): void {
  for (const { messageId } of members.filter(({ stopRequested }) => stopRequested)) {
    decision.ended.push(stopped(messageId));
  }
  const wanted = members.filter(({ stopRequested }) => !stopRequested);
  const goOn = wanted.filter(({ tries }) => isLast && hasTriesLeft(tries, turn.progress));
  const giveUp = wanted.filter((member) => !goOn.includes(member));
  decision.ended.push(...giveUp.map(({ messageId }) => failed(messageId, interrupted)));
  if (goOn.length === 0) return;
  const { text, progress } = turn;
  decision.continued = { messageIds: goOn.map(({ messageId }) => messageId), text, progress };
}

function decideUnseen(decision: Decision, { messageId, tries, taken, stopRequested }: Unfinished): void {
  if (stopRequested) decision.ended.push({ ...stopped(messageId), ran: taken });
  else if (hasTriesLeft(tries, 0)) decision.sent.push(messageId);
  else {
    const message = `Claude's process ended ${used(tries, 0)} times before Claude could read the message.`;
    decision.ended.push(failed(messageId, { code: "tries_exhausted", message }));
  }
}

/** `progress`: what the message's turn has achieved by now. */
function hasTriesLeft(tries: Unfinished["tries"], progress: number): boolean {
  const continuations = tries.filter(({ kind, outcome }) => kind === "continue" && outcome !== "excused");
  return used(tries, progress) < maxTries && continuations.length < maxContinuations;
}

/** Excused tries and continuations that achieved something do not count. */
function used(tries: Unfinished["tries"], progress: number): number {
  return tries.filter(({ kind, outcome, progress: before }, at) => {
    const after = tries[at + 1]?.progress ?? progress;
    return outcome !== "excused" && !(kind === "continue" && after > before);
  }).length;
}

const interrupted: Failure = {
  code: "interrupted",
  message: "Claude's process ended again and again while Claude was working on it.",
};

function stopped(messageId: string): Ending {
  return { messageId, status: "stopped", ran: true, error: null };
}

function failed(messageId: string, error: Failure): Ending {
  return { messageId, status: "failed", ran: null, error };
}
