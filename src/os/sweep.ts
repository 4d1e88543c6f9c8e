/**
 * What a dead daemon left behind, found by the home's marker alone: never by name, never by a recorded pid.
 * Whoever sweeps holds the home's lock; then no other daemon of this home lives, and all that carries its
 * marker is left over.
 */
import type { Logger } from "../log.ts";
import { type ProcessEntry, processTable } from "./process-table.ts";
import { type EndOptions, endAll } from "./tree.ts";

export interface MarkedProcess {
  readonly pid: number;
  readonly generation: number;
  /** See `ProcessEntry.startTime`. */
  readonly startTime: number;
  /** See `ProcessEntry.state`. */
  readonly state: string;
}

/** The processes that carry the marker of home `homeId`, zombies and the caller left out. */
export async function listMarked(homeId: string): Promise<MarkedProcess[]> {
  return (await marked(homeId)).map(describe);
}

/**
 * Ends every process that carries the marker of home `homeId`: SIGTERM, after `graceMs` (3000) SIGKILL;
 * SIGKILL at once for stopped ones. To be called at the daemon's start, under the home's lock and before any
 * session is resumed. Groups are not signalled whole: the daemon may have been started within one. Resolves
 * with what it ended when nothing is left. Rejects with `TreeSurvivedError`.
 */
export async function sweep(
  homeId: string,
  options: EndOptions & { readonly log: Logger },
): Promise<MarkedProcess[]> {
  const ended = (await endAll(() => marked(homeId), options, { wholeGroups: false })).map(describe);
  if (ended.length > 0) options.log.warn({ ended }, "ended processes that an earlier daemon left behind");
  return ended;
}

/** Without the caller: a daemon that was started from a session's own shell carries a marker too. */
async function marked(homeId: string): Promise<ProcessEntry[]> {
  const table = await processTable(0);
  return table.filter((entry) => entry.marker?.homeId === homeId && entry.pid !== process.pid);
}

function describe({ pid, startTime, state, marker }: ProcessEntry): MarkedProcess {
  return { pid, generation: marker?.generation ?? 0, startTime, state };
}
