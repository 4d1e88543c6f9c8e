/** The real command line in child processes, with nothing of this process's environment but the path. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asToldOnly } from "../support/as-told.ts";

const root = join(import.meta.dirname, "../..");
export const main = join(root, "src/cli/main.ts");
const environment = {
  PATH: process.env.PATH ?? "",
  HOME: "/nonexistent",
  // As the launcher does it.
  NODE_COMPILE_CACHE: join(root, "node_modules/.cache/compiled"),
};

/** A folder of its own, not made yet. */
export function newHome(): { home: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-cli-"));
  return { home: join(folder, "home"), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** As `newHome`, made already, with a config by which no process is started that no test asked for. */
export function calmHome(): ReturnType<typeof newHome> {
  const made = newHome();
  mkdirSync(made.home, { mode: 0o700 });
  writeFileSync(join(made.home, "switchboard.toml"), asToldOnly());
  return made;
}

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
}

/** `switchboard …args` until it ends. */
export async function run(args: string[], { input = "", env = {} }: RunOptions = {}): Promise<Run> {
  const child = begin(args, env);
  child.stdin?.end(input);
  const output = collect(child);
  const [code] = await once(child, "close");
  return { code, ...output };
}

export interface Running {
  /** What it said until now. */
  output: { stdout: string; stderr: string };
  /** Sends a signal, and resolves with the exit code when it has ended. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** `switchboard …args` that goes on until it is ended. */
export function start(args: string[], env: Record<string, string> = {}): Running {
  const child = begin(args, env);
  child.stdin?.end();
  const output = collect(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    output,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

export interface Daemon {
  pid: number;
  url: string;
  home: string;
  /** What it said besides, until now. */
  output: { stdout: string; stderr: string };
  /** Sends a signal, and resolves with the exit code when it has ended. */
  end(signal: NodeJS.Signals): Promise<number | null>;
  ended: Promise<number | null>;
}

/** A daemon on a free port (unless `args` name one) that accepts messages. Rejects with what it said when it ends before. */
export async function startDaemon(home: string, args: string[] = [], env = {}): Promise<Daemon> {
  const child = begin(["start", "--json", "--home", home, "--port", "0", ...args], env);
  child.stdin?.end();
  const output = collect(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await Promise.race([
    once(child.stdout ?? child, "data"),
    ended.then((code) => {
      throw new Error(`the daemon ended with ${code}: ${output.stderr}`);
    }),
  ]);
  const { pid, url } = JSON.parse(output.stdout);
  return {
    pid,
    url,
    home,
    output,
    ended,
    end(signal) {
      child.kill(signal);
      return ended;
    },
  };
}

function begin(args: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [main, ...args], { env: { ...environment, ...env }, cwd: tmpdir() });
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text) => {
    output.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
  });
  return output;
}

/** Whether a process of this id is there, dead ones that nobody has reaped yet aside. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}
