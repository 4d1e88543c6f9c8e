/** How much memory there is, and how much of it trees of processes take. */
import { totalmem } from "node:os";
import { memoryOf, processTable, withDescendants } from "./process-table.ts";

/**
 * Bytes that each of the processes `roots` takes now with everything that descends from it or is in its session: on Linux
 * each one's proportional share (what several processes map together is counted once), else the resident set. 0 for one
 * that is gone. What has left both its parent and its session is not seen.
 */
export async function memoryOfTrees(roots: readonly number[]): Promise<Map<number, number>> {
  const table = await processTable();
  const bytes = new Map<number, number>();
  for (const root of roots) {
    const members = table.filter(({ session }) => session === root).map(({ pid }) => pid);
    const tree = withDescendants(table, [root, ...members]);
    bytes.set(root, await memoryOf(tree.map(({ pid }) => pid)));
  }
  return bytes;
}

/**
 * Bytes that processes on this machine may use: the machine's memory, or the control group's limit when it is
 * lower.
 */
export function totalMemory(): number {
  // 0 means no limit is known; a control group without a limit may report more than the machine has.
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
