/**
 * The real daemon, as `start` starts it, on a home and a temporary folder of its own, with a probe in it that tells what
 * it holds. What the system shows of it is looked at from outside, by Linux' /proc.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Client } from "../../src/cli/client.ts";
import { orAbort } from "../run.ts";
import type { Probed } from "./probe.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const probe = pathToFileURL(join(import.meta.dirname, "probe.ts")).href;
/** ms until an ending daemon is told to hurry: a run that is ended early is in mid-turn. */
const patienceMs = 5000;

export interface DaemonOptions {
  /** Holds everything. */
  folder: string;
  modelUrl: string;
  /** The whole of `switchboard.toml`. */
  config: string;
  signal: AbortSignal;
}

export class SoakDaemon {
  readonly home: string;
  /** What the daemon takes for the system's temporary folder. */
  readonly temporary: string;
  /** Its log, one line of JSON each. */
  readonly log: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<void>;
  readonly #signal: AbortSignal;

  constructor({ folder, modelUrl, config, signal }: DaemonOptions) {
    if (process.platform !== "linux") throw new Error("only Linux' /proc tells what a daemon holds");
    this.home = join(folder, "home");
    this.temporary = join(folder, "tmp");
    this.log = join(folder, "daemon.log");
    mkdirSync(this.home, { mode: 0o700 });
    mkdirSync(this.temporary);
    writeFileSync(join(this.home, "switchboard.toml"), config);
    const log = openSync(this.log, "a");
    this.#child = spawn(
      process.execPath,
      ["--expose-gc", main, "start", "--json", "--home", this.home, "--port", "0"],
      {
        env: {
          PATH: process.env.PATH,
          HOME: "/nonexistent",
          TMPDIR: this.temporary,
          NODE_OPTIONS: `--import=${probe}`,
          ANTHROPIC_BASE_URL: modelUrl,
        },
        stdio: ["ignore", "pipe", log, "ipc"],
      },
    );
    closeSync(log);
    const died = new AbortController();
    this.#exit = once(this.#child, "exit").then(([code, name]) =>
      died.abort(new Error(`the daemon has ended: ${name ?? code}`)),
    );
    this.#signal = AbortSignal.any([signal, died.signal]);
  }

  /** Aborts when the daemon ends, or the run. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async started(): Promise<Client> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("the daemon has no stdout");
    const [line] = await orAbort(once(stdout, "data"), this.#signal);
    const { url, tokenFile } = JSON.parse(String(line));
    return new Client({ url, token: readFileSync(tokenFile, "utf8").trim() });
  }

  /** What it holds by itself, after garbage collection. */
  async probe(): Promise<Probed> {
    const answer = once(this.#child, "message");
    this.#child.send("probe");
    const [probed] = await orAbort(answer, this.#signal);
    return probed;
  }

  /** What its descriptors are of: a path, or a kind with a number. */
  descriptors(): string[] {
    const folder = `/proc/${this.pid}/fd`;
    return readdirSync(folder).flatMap((name) => readOrNothing(() => readlinkSync(join(folder, name))));
  }

  /** How many processes are its children, dead ones that it has not noticed included. */
  children(): number {
    const stats = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => readOrNothing(() => readFileSync(`/proc/${name}/stat`, "latin1")));
    // proc_pid_stat(5): behind the name, which may hold anything, come the state and the parent.
    return stats.filter((stat) => stat.slice(stat.lastIndexOf(")")).split(" ")[2] === String(this.pid))
      .length;
  }

  /** Resolves when it is gone. */
  async end(): Promise<void> {
    this.#child.kill("SIGTERM");
    const hurry = setTimeout(() => this.#child.kill("SIGTERM"), patienceMs);
    await this.#exit;
    clearTimeout(hurry);
  }
}

/** What is gone by now is not there. */
function readOrNothing(read: () => string): string[] {
  try {
    return [read()];
  } catch {
    return [];
  }
}
