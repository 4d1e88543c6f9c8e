/** What nobody can hold against the daemon: words that no disk would take, and words that were tampered with uncopied. */

import type { Case, MessageRow, RequestSeen } from "./case.ts";

/** ms after which a turn has surely been copied, and after a full disk nothing more is lost. */
const settlesMs = 5000;
/** ms from a request up to the last line of its answer, at most. */
const answersMs = 15_000;

/** Whether something that Claude said about a message may be in no transcript any more: then it may say it again. */
export function wordsMayBeLost({ chatId, nonce }: MessageRow, evidence: Case): boolean {
  return evidence.requests.some(({ open, at }) => open.includes(nonce) && mayBeLost(chatId, at, evidence));
}

/** Whether the answer to a message, as its last try brought it about, may be in no transcript any more. */
export function answerMayBeLost({ id, chatId, nonce }: MessageRow, evidence: Case): boolean {
  const { tries, requests } = evidence;
  const by = tries.findLast(({ messageId }) => messageId === id)?.generation;
  // The kit does not always see in time whose request it is.
  const isIts = (generation: number | null) => generation === by || generation === null;
  const asked = requests.findLast(({ open, generation }) => isIts(generation) && open.includes(nonce));
  return asked !== undefined && mayBeLost(chatId, asked.at, evidence);
}

/** Whether the answer to a request of that time may be in no transcript any more. */
export function mayBeLost(chatId: string, at: number, { faults, daemons }: Case): boolean {
  const copied = !daemons.some((life) => life.what === "ended" && life.at >= at && life.at < at + settlesMs);
  return faults.some((fault) => {
    if (fault.kind === "disk full")
      return at >= fault.at - answersMs && at <= fault.at + fault.forMs + settlesMs;
    if (fault.kind !== "transcript" || fault.chatId !== chatId || fault.at < at) return false;
    return !copied || fault.at < at + answersMs;
  });
}

/** What might have swallowed words but is no excuse, each in seconds from the request: for whoever looks into a violation. */
export function sinceAsked(
  chatId: string,
  asked: RequestSeen | undefined,
  { faults, daemons }: Case,
): string {
  if (asked === undefined) return "no request asked for it";
  const after = ({ at }: { at: number }) => `${((at - asked.at) / 1000).toFixed(1)} s`;
  const told = [
    ...faults.flatMap((fault) => {
      if (fault.kind === "disk full") return [`disk full for ${fault.forMs} ms at ${after(fault)}`];
      return fault.kind === "transcript" && fault.chatId === chatId
        ? [`${fault.how} at ${after(fault)}`]
        : [];
    }),
    ...daemons.flatMap((life) => (life.what === "ended" ? [`daemon ended at ${after(life)}`] : [])),
  ];
  return [`asked for in request ${asked.n}`, ...told].join(", ");
}
