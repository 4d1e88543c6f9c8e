/**
 * Processes by /proc. `stat` is read synchronously in small slices: it never blocks, and is ten times cheaper
 * than a way through the thread pool. `environ` and `smaps_rollup` wait for the other process's memory lock,
 * so they are read asynchronously. Everything may vanish between two reads.
 */
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { MARKER_VARIABLE, type Marker, parseMarker } from "./marker.ts";
import type { ProcessEntry } from "./process-table.ts";

/** Processes looked at before the event loop gets its turn: about 1 ms. */
const SLICE = 32;

export async function processTable(markersSince: number): Promise<ProcessEntry[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const table: ProcessEntry[] = [];
  for (let i = 0; i < pids.length; i += SLICE) {
    const alive = pids
      .slice(i, i + SLICE)
      .flatMap((pid) => readStat(pid) ?? [])
      .filter((stat) => stat.state !== "Z" && stat.state !== "X");
    const entries = alive.map(async ({ hasMemory, cpuMs: _, ...stat }) => {
      const wanted = hasMemory && stat.startTime >= markersSince;
      return { ...stat, marker: wanted ? await readMarker(stat.pid) : undefined };
    });
    table.push(...(await Promise.all(entries)));
    await setImmediate();
  }
  return table;
}

export function startTimeOf(pid: number): number | undefined {
  return readStat(pid)?.startTime;
}

export function activityOf(pid: number): { stopped: boolean; cpuMs: number } | undefined {
  const stat = readStat(pid);
  return stat && { stopped: stat.state === "T" || stat.state === "t", cpuMs: stat.cpuMs };
}

/** The proportional share (PSS) where it may be read, else the resident set. */
export async function memoryOf(pids: readonly number[]): Promise<number> {
  const each = pids.map(
    async (pid) =>
      (await kilobytes(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m)) ??
      (await kilobytes(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m)) ??
      0,
  );
  return 1024 * (await Promise.all(each)).reduce((sum, kb) => sum + kb, 0);
}

/** Of a second: what the kernel counts processor time in for other programs, on every Linux that Node runs on. */
const TICKS = 100;

type Stat = Omit<ProcessEntry, "marker"> & {
  readonly cpuMs: number;
  /** False for kernel threads: their environment need not be asked for. */
  readonly hasMemory: boolean;
};

function readStat(pid: number): Stat | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (error) {
    // Anything else (too many open files) must not pass for a process that is gone.
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH"))
      return undefined;
    throw error;
  }
}

/**
 * proc_pid_stat(5). The second field is the program's name in brackets and may itself contain blanks and
 * brackets.
 */
function parseStat(pid: number, text: string): Stat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (field: number) => Number(fields[field - 3]);
  return {
    pid,
    state: fields[0] ?? "?",
    parent: number(4),
    group: number(5),
    session: number(6),
    startTime: number(22),
    cpuMs: ((number(14) + number(15)) * 1000) / TICKS,
    hasMemory: number(23) > 0,
  };
}

async function readMarker(pid: number): Promise<Marker | undefined> {
  const environ = await readOrUndefined(`/proc/${pid}/environ`);
  const prefix = `${MARKER_VARIABLE}=`;
  const entry = environ?.split("\0").find((line) => line.startsWith(prefix));
  return entry === undefined ? undefined : parseMarker(entry.slice(prefix.length));
}

async function kilobytes(path: string, line: RegExp): Promise<number | undefined> {
  const found = line.exec((await readOrUndefined(path)) ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Undefined for what has gone and for what belongs to somebody else. */
async function readOrUndefined(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch {
    return undefined;
  }
}
