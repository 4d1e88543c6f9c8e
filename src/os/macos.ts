/**
 * Processes by ps(1), since macOS has no /proc. `-E` appends the environment to the command line, for
 * processes of the same user; the system's own programs hide theirs, and are found by group and descent. ps
 * does not show where the arguments end, so a marker given as an argument counts too. Start times have a
 * resolution of one second.
 */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { MARKER_VARIABLE, parseMarker } from "./marker.ts";
import type { ProcessEntry } from "./process-table.ts";

const PS = "/bin/ps";
/** A start time must read the same on both sides of a change to summer time and in every language. */
const env = { LC_ALL: "C", TZ: "UTC" };
const run = promisify(execFile);

export async function processTable(_markersSince: number): Promise<ProcessEntry[]> {
  const columns = "pid=,ppid=,pgid=,lstart=,state=,command=";
  const { stdout } = await run(PS, ["-Eww", "-axo", columns], { env, maxBuffer: 1 << 28 });
  return parsePs(stdout);
}

export function startTimeOf(pid: number): number | undefined {
  const { stdout } = spawnSync(PS, ["-o", "lstart=", "-p", String(pid)], { env, encoding: "latin1" });
  return stdout?.trim() ? parseStart(stdout.trim()) : undefined;
}

export function activityOf(pid: number): { stopped: boolean; cpuMs: number } | undefined {
  const { stdout } = spawnSync(PS, ["-o", "state=,time=", "-p", String(pid)], { env, encoding: "latin1" });
  const found = /^\s*([A-Z])\S*\s+(?:(\d+):)?(\d+):(\d+\.\d+)/.exec(stdout ?? "");
  if (found === null) return undefined;
  const [, state, hours = "0", minutes, seconds] = found;
  return {
    stopped: state === "T",
    cpuMs: (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000,
  };
}

export async function memoryOf(pids: readonly number[]): Promise<number> {
  if (pids.length === 0) return 0;
  // ps fails when none of them is left.
  const { stdout } = await run(PS, ["-o", "rss=", "-p", pids.join(",")], { env }).catch(() => ({
    stdout: "",
  }));
  return 1024 * stdout.split("\n").reduce((sum, line) => sum + Number(line), 0);
}

/** Reads `ps -Eww -axo pid=,ppid=,pgid=,lstart=,state=,command=`; lines of another form are skipped. */
export function parsePs(output: string): ProcessEntry[] {
  const line = /^ *(\d+) +(\d+) +(\d+) +(\w{3} +\w{3} +\d+ [\d:]{8} \d{4}) +([A-Z])\S* +(.*)$/gm;
  const marker = new RegExp(`(?:^| )${MARKER_VARIABLE}=(\\S+)`);
  return [...output.matchAll(line)].flatMap((match) => {
    const [, pid, parent, group, start = "", state = "", command = ""] = match;
    if (state === "Z") return [];
    return {
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      session: Number(group),
      state,
      startTime: parseStart(start),
      marker: parseMarker(marker.exec(command)?.[1] ?? ""),
    };
  });
}

function parseStart(lstart: string): number {
  return Date.parse(`${lstart} UTC`);
}
