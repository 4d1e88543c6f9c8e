/** How much memory there is, and how much of it a tree of processes takes. */
import { totalmem } from "node:os";
import { memoryOf, processTable, withDescendants } from "./process-table.ts";

/**
 * Bytes that the process `pid` and everything that descends from it take now: on Linux each one's
 * proportional share (what several processes map together is counted once), else the resident set. 0 when it
 * is gone.
 */
export async function memory(pid: number): Promise<number> {
  const tree = withDescendants(await processTable(), [pid]);
  return memoryOf(tree.map((entry) => entry.pid));
}

/**
 * Bytes that processes on this machine may use: the machine's memory, or the control group's limit when it is
 * lower.
 */
export function totalMemory(): number {
  // 0 means no limit is known; a control group without a limit may report more than the machine has.
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
