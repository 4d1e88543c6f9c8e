/**
 * Real processes for the tests of src/os. Each test ends what it started, also when it fails, by means of its
 * own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Guard } from "../../src/os/guard.ts";
import { type GuardedProcess, spawnGuarded } from "../../src/os/index.ts";

export const PATH = process.env.PATH ?? "/usr/bin:/bin";

/** A home id that only this test uses; at its end every process that carries it is killed. */
export function ownHomeId(t: TestContext): string {
  const homeId = randomBytes(8).toString("hex");
  t.after(() => until(() => killAll(pidsOf(homeId)) === 0));
  return homeId;
}

export function ownFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-os-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A guarded `sh -c script`, when it has printed its first line. */
export async function shell(
  homeId: string,
  script: string,
  options: { guard?: Guard; generation?: number } = {},
): Promise<GuardedProcess & { readonly firstLine: string }> {
  const { generation = 1, ...guard } = options;
  const started = spawnGuarded({
    command: "sh",
    args: ["-c", script],
    cwd: "/",
    env: { PATH },
    marker: { homeId, generation },
    ...guard,
  });
  return { ...started, firstLine: await firstLine(started.child.stdout) };
}

/** A process that is not Switchboard's: no marker, no guard. */
export function stranger(
  t: TestContext,
  command: string,
  ...args: string[]
): ChildProcess & { readonly pid: number } {
  const child = spawn(command, args, { stdio: "ignore", env: { PATH } });
  t.after(() => child.kill("SIGKILL"));
  return Object.assign(child, { pid: pidOf(child) });
}

/** Runs one of this folder's scripts with Node, when it has printed its first line. */
export async function runScript(
  t: TestContext,
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv = { PATH },
) {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ["--expose-gc", script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  t.after(() => child.kill("SIGKILL"));
  return { child, pid: pidOf(child), firstLine: await firstLine(child.stdout) };
}

export async function killNow(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

export async function firstLine(stream: Readable): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error("it ended before it had printed a line");
}

/** Resolves when `condition` holds; rejects after `ms`. */
export async function until(condition: () => boolean, ms = 5000): Promise<void> {
  for (const deadline = performance.now() + ms; !condition(); await setTimeout(20)) {
    if (performance.now() > deadline) throw new Error(`not within ${ms} ms: ${condition}`);
  }
}

/** The letter in /proc/<pid>/stat; undefined when the process has ended, a zombie included. */
export function stateOf(pid: number): string | undefined {
  const state = /\) (\w)/.exec(read(pid, "stat"))?.[1];
  return state === "Z" || state === "X" ? undefined : state;
}

export function isGone(pid: number): boolean {
  return stateOf(pid) === undefined;
}

/** Processes whose environment or arguments contain `text`. */
export function pidsOf(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && !isGone(pid))
    .filter((pid) => read(pid, "environ").includes(text) || read(pid, "cmdline").includes(text));
}

/** The watchers of this test's process. */
export function watchers(): number[] {
  const isOurs = (pid: number) => new RegExp(`\\) \\w ${process.pid} `).test(read(pid, "stat"));
  return pidsOf("switchboard-watcher").filter(isOurs);
}

function killAll(pids: number[]): number {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
  return pids.length;
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error("it could not be started");
  return pid;
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
