/**
 * A Claude process whose daemon was killed would end its turn first (measured with Agent SDK 0.3.330: it runs
 * tools, asks the API again, writes the transcript), while the next daemon already resumes the same session.
 * Two guards prevent it:
 *
 * - `pdeathsig` (Linux with util-linux' setpriv): the kernel sends SIGTERM to the process when its parent
 *   dies. It reaches that process alone, which must end its own tools, as Claude does; a stopped one does not
 *   react. What stays behind is for `sweep`. The kernel's "parent" is the *thread* that spawned, so this
 *   guard is for Node's main thread only.
 * - `watcher` (macOS, Alpine, worker threads): a shell that waits for the end of a pipe which only the daemon
 *   holds open, then ends the whole process group. It has a session of its own, so that nothing aimed at the
 *   daemon's hits it.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import type { Writable } from "node:stream";
import { isMainThread } from "node:worker_threads";
import { findCommand, SpawnError } from "./command.ts";

export type Guard = "pdeathsig" | "watcher";

/** The guard that this machine and this thread allow. */
export function bestGuard(): Guard {
  return isMainThread && setprivPath() !== undefined ? "pdeathsig" : "watcher";
}

let setpriv: { readonly path: string | undefined } | undefined;

/**
 * Absolute path of a setpriv that knows --pdeathsig (BusyBox' does not). Asked once, since that runs a
 * process.
 */
export function setprivPath(): string | undefined {
  setpriv ??= { path: process.platform === "linux" ? findSetpriv() : undefined };
  return setpriv.path;
}

let prlimit: { readonly path: string | undefined } | undefined;

/** Absolute path of util-linux' prlimit, asked once. Undefined also where a process dumps no core by default (macOS). */
export function prlimitPath(): string | undefined {
  prlimit ??= {
    path: process.platform === "linux" ? findCommand("prlimit", "/", systemPath) : undefined,
  };
  return prlimit.path;
}

/** Where a system keeps its own programs: what guards a process does not depend on whoever started the daemon. */
const systemPath = "/usr/bin:/bin:/usr/sbin:/sbin";

function findSetpriv(): string | undefined {
  const path = findCommand("setpriv", "/", systemPath);
  if (path === undefined) return undefined;
  return spawnSync(path, ["--pdeathsig", "TERM", "true"], { stdio: "ignore" }).status === 0
    ? path
    : undefined;
}

/**
 * Reads the group's id, then waits. A second line means that the process has ended by itself, the end of the
 * pipe that the daemon has; an end or a release before there is a group means that the process could not be
 * started.
 */
const WATCH = `
read -r group || exit 0
[ "$group" = released ] && exit 0
read -r released && exit 0
kill -TERM "-$group" 2>/dev/null
for second in 1 2 3; do
  sleep 1
  kill -0 "-$group" 2>/dev/null || exit 0
done
kill -KILL "-$group" 2>/dev/null
`;

export class Watcher {
  readonly #shell: ChildProcessByStdio<Writable, null, null>;

  /**
   * Start it before the process that it guards: if it cannot be started, there is no process without a guard.
   */
  constructor() {
    this.#shell = spawn("/bin/sh", ["-c", WATCH, "switchboard-watcher"], {
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
      env: { PATH: systemPath },
      detached: true,
    });
    this.#shell.on("error", () => {});
    if (this.#shell.pid === undefined)
      throw new SpawnError("spawn_failed", "cannot start /bin/sh as a watcher");
    this.#shell.stdin.on("error", () => {});
  }

  /** From now on the process group dies with the daemon. */
  guard(group: number): void {
    this.#shell.stdin.write(`${group}\n`);
  }

  /** Ends the watcher and leaves the group alone. */
  release(): void {
    this.#shell.stdin.end("released\n");
  }
}
