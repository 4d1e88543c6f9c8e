/**
 * Starts a process that is ours from its first moment: guarded, so that it dies with the daemon; marked, so
 * that the next daemon finds it if that failed; in a process group of its own, so that it is ended with all
 * that it started.
 *
 * Rules:
 * - the environment is what the caller gave and the marker, nothing of the daemon's;
 * - stderr is always read: a pipe that nobody empties blocks the process after 64 KiB (the Agent SDK does not
 *   read it when somebody else spawns);
 * - no 'error' event of the child or of its stdin is ever without a listener: one would end the daemon.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { findCommand, isFolder, SpawnError } from "./command.ts";
import { bestGuard, type Guard, prlimitPath, setprivPath, Watcher } from "./guard.ts";
import { formatMarker, MARKER_VARIABLE, type Marker } from "./marker.ts";
import { startTimeOf } from "./process-table.ts";
import { type EndOptions, killTree, type Tree } from "./tree.ts";

export interface SpawnGuardedOptions {
  /** A path, or a name that is looked up on the given environment's PATH. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the process; the marker is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly marker: Marker;
  /** Default: the best that this machine and this thread allow. */
  readonly guard?: Guard;
}

export interface Exit {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GuardedProcess extends Tree {
  /**
   * Has the shape that the Agent SDK expects of a spawned process. Its 'exit' may come before the last of
   * stdout.
   */
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when the process has ended; what it started may still run (see `treeGone`). Never rejects. */
  readonly exited: Promise<Exit>;
  /** The last 4 kB of stderr. */
  stderrTail(): string;
  /** `killTree` of this process. */
  end(options: EndOptions): Promise<void>;
}

const STDERR_TAIL_BYTES = 4096;

/**
 * Starts `command` with pipes for stdin, stdout and stderr.
 *
 * ```ts
 * const claude = spawnGuarded({ command: "/opt/claude", args: [], cwd, env, marker: { homeId, generation: 7 } });
 * claude.child.stdin.write(line);
 * await claude.end({ clock }); // nothing of its tree is left
 * ```
 *
 * Throws `SpawnError` when it cannot be started.
 */
export function spawnGuarded(options: SpawnGuardedOptions): GuardedProcess {
  const { marker, guard = bestGuard() } = options;
  const watcher = guard === "watcher" ? new Watcher() : undefined;
  let started: { child: ChildProcessWithoutNullStreams; pid: number };
  try {
    started = start(options, guard);
  } catch (error) {
    watcher?.release();
    throw error;
  }
  const { child, pid } = started;
  watcher?.guard(pid);
  // Not reaped before this turn of the event loop ends, so it is there even if it has died already.
  const startTime = startTimeOf(pid) ?? 0;

  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => {
      watcher?.release();
      resolve({ code, signal });
    });
  });

  let tail = Buffer.alloc(0);
  child.stderr.on("data", (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-STDERR_TAIL_BYTES);
  });

  const guarded: GuardedProcess = {
    child,
    pid,
    startTime,
    marker,
    exited,
    stderrTail: () => tail.toString("utf8"),
    end: (endOptions) => killTree(guarded, endOptions),
  };
  return guarded;
}

function start({ command, args, cwd, env, marker }: SpawnGuardedOptions, guard: Guard) {
  // Asked beforehand: the errors of spawn itself come late, and confuse a missing folder with a missing command.
  if (!isFolder(cwd))
    throw new SpawnError("cwd_not_found", `cannot start ${command}: there is no folder ${cwd}`);
  const file = findCommand(command, cwd, env.PATH);
  if (file === undefined) {
    throw new SpawnError("command_not_found", `cannot start ${command}: no such executable file`);
  }
  const setpriv = guard === "pdeathsig" ? setprivPath() : undefined;
  if (guard === "pdeathsig" && setpriv === undefined) {
    throw new SpawnError("spawn_failed", "the guard pdeathsig needs a setpriv that knows --pdeathsig");
  }
  // Each replaces itself by what follows it: the pid stays the same. A core would be the conversation, on whatever disk.
  const prlimit = prlimitPath();
  const [program = file, ...argv] = [
    ...(prlimit === undefined ? [] : [prlimit, "--core=0:0", "--"]),
    ...(setpriv === undefined ? [] : [setpriv, "--pdeathsig", "TERM", "--"]),
    file,
    ...args,
  ];
  const child = spawn(program, argv, {
    cwd,
    env: { ...env, [MARKER_VARIABLE]: formatMarker(marker) },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  child.on("error", () => {});
  if (child.pid === undefined) {
    throw new SpawnError(
      "spawn_failed",
      `cannot start ${command}: the system refused (too many processes or files?)`,
    );
  }
  child.stdin.on("error", () => {});
  return { child, pid: child.pid };
}
