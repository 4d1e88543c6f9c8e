/** What nobody can hold against the daemon: words that no disk would take, and words that were tampered with uncopied. */

import type { Case } from "./case.ts";

/** ms after which a turn has surely been copied, and after a full disk nothing more is lost. */
const settlesMs = 5000;
/** ms from a request up to the last line of its answer, at most. */
const answersMs = 15_000;

/** Whether the answer to a request of that time may be in no transcript any more. */
export function mayBeLost(chatId: string, at: number, { faults, daemons }: Case): boolean {
  const copied = !daemons.some((life) => life.what === "ended" && life.at >= at && life.at < at + settlesMs);
  return faults.some((fault) => {
    if (fault.kind === "disk full")
      return at >= fault.at - answersMs && at <= fault.at + fault.forMs + settlesMs;
    return fault.kind === "transcript" && fault.chatId === chatId && fault.at >= at && !copied;
  });
}
