/**
 * Ending a process with everything that it started. A successor on the same session may start only when
 * nothing of the tree is left, so nobody here believes an exit code: the process table is asked until it
 * shows no member any more.
 *
 * A member is the process itself, who is in its group, who carries its marker, and who descends from a
 * member. Membership lasts: a child whose parent died is still one.
 */
import type { Clock } from "../clock.ts";
import { type Marker, sameMarker } from "./marker.ts";
import { pause } from "./pause.ts";
import { type ProcessEntry, processTable, startTimeOf, withDescendants } from "./process-table.ts";

/**
 * What names a tree of processes: its first process, which leads a group and a session of its own, and the
 * marker.
 */
export interface Tree {
  readonly pid: number;
  /** See `ProcessEntry.startTime`. */
  readonly startTime: number;
  readonly marker: Marker;
}

export interface EndOptions {
  /** Time in ms between SIGTERM and SIGKILL, by default 3000. 0: SIGKILL at once. */
  readonly graceMs?: number;
  readonly clock: Clock;
}

/** Something is still there 10 s after SIGKILL: it hangs in the kernel, or it belongs to another user. */
export class TreeSurvivedError extends Error {
  override readonly name = "TreeSurvivedError";
  readonly code = "tree_survived";
  readonly pids: readonly number[];

  constructor(pids: readonly number[]) {
    super(`still running 10 s after SIGKILL: ${pids.join(", ")}`);
    this.pids = pids;
  }
}

/**
 * Ends a tree: SIGTERM to the group, after `graceMs` SIGKILL to every member. A member outside the group (a
 * tool in a group of its own) is left to its parent, which ends it when it can, and gets SIGTERM when that
 * has gone. A stopped member cannot react and gets SIGKILL at once.
 *
 * Resolves when nothing of the tree is left, at once when there was nothing. Rejects with
 * `TreeSurvivedError`.
 */
export async function killTree(tree: Tree, options: EndOptions): Promise<void> {
  const known = new Set<string>();
  const find = async () => {
    const members = membersOf(tree, await processTable(tree.startTime), known);
    for (const member of members) known.add(identity(member));
    return members;
  };
  // Every group in a tree is the tree's own, since its first process leads a session.
  await endAll(find, options, { wholeGroups: true });
}

/**
 * Waits until a process has ended by itself, then ends what it left behind, as `killTree` does.
 * Resolves when nothing of the tree is left. Rejects with `TreeSurvivedError`.
 */
export async function treeGone(
  process: Tree & { readonly exited: Promise<unknown> },
  options: EndOptions,
): Promise<void> {
  await process.exited;
  await killTree(process, options);
}

/** The members of `tree` in `table`; `known` holds the identities of those that were members before. */
export function membersOf(
  tree: Tree,
  table: readonly ProcessEntry[],
  known: ReadonlySet<string> = new Set(),
): ProcessEntry[] {
  const first = table.find((entry) => entry.pid === tree.pid);
  // A pid is given again only when no group bears it any more.
  const groupIsOurs = first === undefined || first.startTime === tree.startTime;
  const roots = table.filter(
    (entry) =>
      (groupIsOurs && entry.group === tree.pid && entry.session === tree.pid) ||
      sameMarker(entry.marker, tree.marker) ||
      known.has(identity(entry)),
  );
  return withDescendants(
    table,
    roots.map((entry) => entry.pid),
  );
}

/** How long after SIGKILL something may take to vanish. */
const SURVIVED_MS = 10_000;

/**
 * Signals what `find` finds until it finds nothing twice in a row: a process that forks and ends between two
 * looks at the table hides its child from one of them. Resolves with everything that was found.
 *
 * SIGTERM goes once to each process whose parent is not among them. A process that is about to end may well
 * start others for that, which must not be disturbed. With `wholeGroups` the leader of a group stands for it,
 * and no fork escapes.
 */
export async function endAll(
  find: () => Promise<ProcessEntry[]>,
  { graceMs = 3000, clock }: EndOptions,
  { wholeGroups }: { readonly wholeGroups: boolean },
): Promise<ProcessEntry[]> {
  const found = new Map<string, ProcessEntry>();
  const asked = new Set<string>();
  const begun = clock.monotonic();
  let killing: number | undefined;
  let emptyLooks = 0;
  for (let waitMs = 10; ; waitMs = Math.min(1.5 * waitMs, 200)) {
    const left = await find();
    emptyLooks = left.length === 0 ? emptyLooks + 1 : 0;
    if (emptyLooks === 2) return [...found.values()];
    if (emptyLooks === 1) continue;
    for (const entry of left) found.set(identity(entry), entry);

    const now = clock.monotonic();
    if (now - begun >= graceMs) killing ??= now;
    if (killing !== undefined && now - killing >= SURVIVED_MS) {
      throw new TreeSurvivedError(left.map((entry) => entry.pid));
    }
    const pids = new Set(left.map((entry) => entry.pid));
    for (const entry of left) {
      const leads = wholeGroups && entry.pid === entry.group;
      if (killing !== undefined) {
        signal(entry, "SIGKILL", leads ? -entry.group : entry.pid);
      } else if (isStopped(entry)) {
        signal(entry, "SIGKILL");
      } else if (!asked.has(identity(entry)) && !pids.has(entry.parent)) {
        signal(entry, "SIGTERM", leads ? -entry.group : entry.pid);
        const reached = leads ? left.filter(({ group }) => group === entry.group) : [entry];
        for (const each of reached) asked.add(identity(each));
      }
    }
    await pause(clock, waitMs);
  }
}

/** Sends a signal if `entry` is still the process that was looked at: its pid may be another's by now. */
function signal(entry: ProcessEntry, name: "SIGTERM" | "SIGKILL", target = entry.pid): void {
  if (startTimeOf(entry.pid) !== entry.startTime) return;
  try {
    process.kill(target, name);
  } catch {
    // It has just ended, or may not be signalled: the next look at the table tells.
  }
}

function isStopped({ state }: ProcessEntry): boolean {
  return state === "T" || state === "t";
}

function identity({ pid, startTime }: ProcessEntry): string {
  return `${pid}@${startTime}`;
}
