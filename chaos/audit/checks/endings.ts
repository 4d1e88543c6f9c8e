/** Every message has one end, told once; nothing waits for ever; nothing is given up before its tries are used. */

import type { Case, TryRow } from "../case.ts";
import { answerMayBeLost } from "../losses.ts";
import { about, type Violation } from "../violation.ts";

const endStatuses: readonly string[] = ["answered", "refused", "failed", "stopped"];
/** Charged tries that a message gets. */
const mostTries = 3;
/** Continuations of a cut turn that it gets besides, as long as each gets further. */
const mostContinuations = 20;

/** Each message that has ended has done so once: one event says it, and it says what the ledger says. */
export function oneEnd({ messages, ends }: Case): Violation[] {
  const byMessage = Map.groupBy(ends, ({ messageId }) => messageId);
  return messages.flatMap((message) => {
    const told = (byMessage.get(message.id) ?? []).map(({ status }) => status);
    const expected = endStatuses.includes(message.status) ? [message.status] : [];
    if (told.join() === expected.join()) return [];
    const what = `is ${message.status}, its events tell [${told.join(", ")}]`;
    return [about("one-end", message, what, "events")];
  });
}

/** When everything was given its time, no message is open, and no try or turn has been left without an outcome. */
export function neverSilent({ messages, tries, turns }: Case): Violation[] {
  const open = messages
    .filter(({ status }) => !endStatuses.includes(status))
    .map((message) => about("never-silent", message, `is still ${message.status}`, "messages"));
  const byId = new Map(messages.map((message) => [message.id, message]));
  const left = tries.flatMap(({ messageId, outcome, generation }) => {
    const message = byId.get(messageId);
    if (outcome !== null || message === undefined || !endStatuses.includes(message.status)) return [];
    return [about("never-silent", message, `its try on process ${generation} has no outcome`, "tries")];
  });
  const turnsLeft = turns
    .filter(({ outcome }) => outcome === null)
    .map(({ id }) => general("never-silent", `turn ${id} has no end`, "turns"));
  return [...open, ...left, ...turnsLeft];
}

/**
 * Only tries that were used up let a message fail: all trouble here is of the kind that passes. A chat whose processes died
 * again and again may be left alone for a while.
 */
export function notGivenUpEarly({ messages, tries }: Case): Violation[] {
  const byMessage = Map.groupBy(tries, ({ messageId }) => messageId);
  return messages.flatMap((message) => {
    const { status, errorCode } = message;
    if (status !== "failed" && status !== "refused" && status !== "stopped") return [];
    if (status === "failed" && errorCode === "quarantined") return [];
    const made = byMessage.get(message.id) ?? [];
    const used = countedTries(made);
    if (status === "failed" && (used >= mostTries || continuations(made) >= mostContinuations)) return [];
    return [about("gave-up-early", message, `is ${status} (${errorCode}) after ${used} tries`, "messages")];
  });
}

/** Excused tries do not count, nor do continuations after which the turn had got further. */
function countedTries(tries: readonly TryRow[]): number {
  return tries.filter(({ outcome, kind, progress }, at) => {
    const after = tries[at + 1]?.progress ?? progress;
    return outcome !== "excused" && !(kind === "continue" && after > progress);
  }).length;
}

function continuations(tries: readonly TryRow[]): number {
  return tries.filter(({ kind, outcome }) => kind === "continue" && outcome !== "excused").length;
}

/**
 * Who asks the model for a message's answer has a charged try for it, and there are three at most. After the last try of one
 * that failed, its text still stands before the next message's: that is no try.
 */
export function charged(evidence: Case): Violation[] {
  const { messages, tries, requests } = evidence;
  const byMessage = Map.groupBy(tries, ({ messageId }) => messageId);
  const asking = new Map<string, Set<number>>();
  for (const { open, generation } of requests) {
    if (generation === null) continue;
    for (const nonce of open) asking.set(nonce, (asking.get(nonce) ?? new Set()).add(generation));
  }
  return messages.flatMap((message) => {
    const made = byMessage.get(message.id) ?? [];
    const by = made.at(-1)?.generation ?? 0;
    // One whose answer is in no transcript stands before the next message's text, too.
    const isKept = message.status === "answered" && !answerMayBeLost(message, evidence);
    const last = isKept ? Number.POSITIVE_INFINITY : by;
    const uncharged = [...(asking.get(message.nonce) ?? [])].filter(
      (generation) => generation < last && !made.some((one) => one.generation === generation),
    );
    // Whether the last one got anything further stands in the transcript alone.
    const atLeast = countedTries(made) - (made.at(-1)?.kind === "continue" ? 1 : 0);
    const wrong = [
      ...(atLeast > mostTries ? [`has ${atLeast} tries that count`] : []),
      ...(continuations(made) > mostContinuations ? [`was continued ${continuations(made)} times`] : []),
      ...(made.length === message.tries
        ? []
        : [`counts ${message.tries} tries, the ledger holds ${made.length}`]),
      ...uncharged.map((generation) => `was worked on by process ${generation} without a try`),
    ];
    return wrong.map((what) => about("charged", message, what, "tries"));
  });
}

/** The daemon ends only when it is ended. */
export function daemonStands({ daemons }: Case): Violation[] {
  return daemons
    .filter(({ what, expected }) => what === "ended" && expected === false)
    .map(({ pid, code, signal }) =>
      general("daemon-stands", `the daemon ${pid} ended by itself (${signal ?? code})`, "daemon.log"),
    );
}

export function general(check: string, what: string, where: string): Violation {
  return { check, chatId: null, messageId: null, what, where };
}
