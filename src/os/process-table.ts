/**
 * What runs on this machine now, in one form for Linux and macOS.
 * A pid alone names nothing, since the system gives it again; a pid and its start time name a process.
 * Zombies are left out: they hold neither memory nor files, and only their parent can take them away.
 */
import * as linux from "./linux.ts";
import * as macos from "./macos.ts";
import type { Marker } from "./marker.ts";

export interface ProcessEntry {
  readonly pid: number;
  /** Pid of the parent; 1 or a subreaper's once the parent has died. */
  readonly parent: number;
  /** Id of the process group: the pid of its first leader. */
  readonly group: number;
  /** Id of the session. macOS does not tell: the group's id stands there. */
  readonly session: number;
  /** The system's letter: R, S, D, I, T (stopped), t (held by a debugger). */
  readonly state: string;
  /** Opaque: only for equality and order on one machine between two boots. */
  readonly startTime: number;
  /** Undefined when it has none, when it is not ours to read, or when it was not asked for. */
  readonly marker: Marker | undefined;
}

const system = process.platform === "darwin" ? macos : linux;

/**
 * Every process that the caller can see. Markers are read for those started at `markersSince` or later (0:
 * all), by default for none, since they cost the most. A process that comes or goes meanwhile may be missing.
 */
export function processTable(markersSince = Number.POSITIVE_INFINITY): Promise<ProcessEntry[]> {
  return system.processTable(markersSince);
}

/**
 * Start time of a process, of a zombie too; undefined when there is none. Synchronous, to be asked right
 * before a signal.
 */
export function startTimeOf(pid: number): number | undefined {
  return system.startTimeOf(pid);
}

/** Whether a process is stopped, and its processor time in ms; undefined when there is none. */
export function activityOf(pid: number): { stopped: boolean; cpuMs: number } | undefined {
  return system.activityOf(pid);
}

/** Memory of the given processes together, in bytes; what is gone counts 0. */
export function memoryOf(pids: readonly number[]): Promise<number> {
  return system.memoryOf(pids);
}

/** The processes of `table` whose pid is in `roots`, and everything that descends from them. */
export function withDescendants(table: readonly ProcessEntry[], roots: Iterable<number>): ProcessEntry[] {
  const pids = new Set(roots);
  // A child usually stands after its parent, but pids wrap around: repeat until nothing is added.
  for (let before = -1; before !== pids.size; ) {
    before = pids.size;
    for (const entry of table) if (pids.has(entry.parent)) pids.add(entry.pid);
  }
  return table.filter((entry) => pids.has(entry.pid));
}
