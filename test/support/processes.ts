/**
 * The machine's processes, read from /proc by means of our own: src/os is on trial here too. Linux only, like every
 * test that counts processes.
 */
import { readdirSync, readFileSync } from "node:fs";
import { MARKER_VARIABLE } from "../../src/os/marker.ts";

export interface ProcessInfo {
  readonly pid: number;
  /** The letter of /proc/PID/stat, e.g. `S`, `T` (stopped). */
  readonly state: string;
  /** Its command line, the arguments joined by blanks. */
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** All living processes (no zombies), this one aside, whose environment or command line names `text`. */
export function processesNaming(text: string): ProcessInfo[] {
  return pids().flatMap((pid) => {
    const environ = read(pid, "environ");
    const cmdline = read(pid, "cmdline");
    return environ.includes(text) || cmdline.includes(text) ? infoOf(pid, environ, cmdline) : [];
  });
}

/** The processes that carry a home's mark: Claude Code and whatever it started. */
export function processesOf(home: string): ProcessInfo[] {
  return processesNaming(`${home}/spaces/`).filter(({ env }) => MARKER_VARIABLE in env);
}

/** Those of Claude Code itself, without its tools: cheap enough to be asked again and again. */
export function claudesOf(home: string): ProcessInfo[] {
  return pids().flatMap((pid) => {
    const cmdline = read(pid, "cmdline");
    if (!cmdline.includes("--input-format\0stream-json")) return [];
    const environ = read(pid, "environ");
    return environ.includes(`${home}/spaces/`) ? infoOf(pid, environ, cmdline) : [];
  });
}

/** Null when it has ended; a zombie has. */
export function stateOf(pid: number): string | null {
  const state = /\) (\w)/.exec(read(pid, "stat"))?.[1] ?? null;
  return state === "Z" || state === "X" ? null : state;
}

export function isAlive(pid: number): boolean {
  return stateOf(pid) !== null;
}

/** SIGKILL; a process that has just ended by itself is no error. */
export function killHard(pid: number): void {
  signal(pid, "SIGKILL");
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** The environment of a process; empty when it has ended. */
export function environmentOf(pid: number): Record<string, string> {
  return variables(read(pid, "environ"));
}

function pids(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
}

function infoOf(pid: number, environ: string, cmdline: string): ProcessInfo[] {
  const state = stateOf(pid);
  if (state === null) return [];
  return [{ pid, state, command: cmdline.replaceAll("\0", " ").trim(), env: variables(environ) }];
}

function variables(environ: string): Record<string, string> {
  const pairs = environ.split("\0").filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

/** Empty when there is nothing (any more) to be read. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
