/**
 * The daemon on trial: the real one, as `start` starts it, on a home of its own. Whatever ends it, it is started again,
 * until the round is over. Its wall clock, its temporary folder and its model are the kit's.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type DaemonRecord, files, Journal } from "./evidence.ts";

export interface WorldOptions {
  /** The round's folder. */
  readonly folder: string;
  readonly modelUrl: string;
  /** The whole of `switchboard.toml`. */
  readonly config: string;
  /** Whether the storage has suffered since then (ms of the monotonic clock): that may keep a daemon from starting. */
  storageSuffered(since: number): boolean;
}

/** What the API answered. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const source = join(import.meta.dirname, "../src/cli/main.ts");
const skew = pathToFileURL(join(import.meta.dirname, "clock-skew.ts")).href;
/** ms until a daemon that has ended is started again. */
const restartMs = 100;
/** ms until a call of the API is given up; a locked ledger lets it wait for 30 s. */
const callMs = 35_000;

export class World {
  readonly home: string;
  readonly #options: WorldOptions;
  readonly #lives: Journal<DaemonRecord>;
  readonly #log: number;
  #child: ChildProcess | null = null;
  /** The address of the daemon that accepts messages, or of the next one that will. */
  #url = Promise.withResolvers<string>();
  #accepts = false;
  #startedAt = 0;
  /** The kit has ended this one. */
  readonly #ordered = new WeakSet<ChildProcess>();
  #over = false;
  #lastExit: Promise<number | null> = Promise.resolve(null);

  constructor(options: WorldOptions) {
    this.#options = options;
    this.home = join(options.folder, files.home);
    mkdirSync(this.home, { mode: 0o700, recursive: true });
    mkdirSync(this.temporary);
    writeFileSync(join(this.home, "switchboard.toml"), options.config);
    writeFileSync(this.#clockFile, "0");
    this.#lives = new Journal(join(options.folder, files.daemons));
    this.#log = openSync(join(options.folder, "daemon.log"), "a");
    // A kit that fails takes its daemon with it.
    process.once("exit", () => this.#child?.kill("SIGKILL"));
    this.#start();
  }

  get accepts(): boolean {
    return this.#accepts;
  }

  get temporary(): string {
    return join(this.#options.folder, "tmp");
  }

  /** The daemon's process, also while it starts; null between two of them. */
  get daemon(): ChildProcess | null {
    return this.#child;
  }

  /** Resolves when a daemon accepts messages. */
  async ready(): Promise<void> {
    await this.#url.promise;
  }

  /** Asks the daemon that runs, or the next one. Rejects when it broke off. */
  async call(method: string, path: string, body?: object): Promise<Answer> {
    const url = await this.#url.promise;
    const token = readFileSync(join(this.home, "token"), "utf8").trim();
    const response = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(callMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  shiftClock(ms: number): void {
    writeFileSync(this.#clockFile, String(ms));
  }

  /** Sends the daemon a signal; the next one is started when it has ended. */
  strike(name: NodeJS.Signals): boolean {
    if (this.#child === null || this.#child.exitCode !== null) return false;
    this.#ordered.add(this.#child);
    return this.#child.kill(name);
  }

  /** SIGTERM, for good; resolves with the exit code, or null when it had to be killed. */
  async shutDown(patienceMs: number): Promise<number | null> {
    await this.ready();
    this.#over = true;
    this.strike("SIGTERM");
    const late = new AbortController();
    void pause(patienceMs, undefined, { signal: late.signal }).then(
      () => this.strike("SIGKILL"),
      () => {},
    );
    const code = await this.#lastExit;
    late.abort();
    return code;
  }

  /** SIGKILL, for good. */
  async end(): Promise<void> {
    this.#over = true;
    this.strike("SIGKILL");
    await this.#lastExit;
    this.#lives.close();
  }

  get #clockFile(): string {
    return join(this.#options.folder, "clock");
  }

  #start(): void {
    const { modelUrl } = this.#options;
    const env = {
      PATH: process.env.PATH,
      HOME: "/nonexistent",
      TMPDIR: this.temporary,
      NODE_OPTIONS: `--import=${skew}`,
      CHAOS_CLOCK: this.#clockFile,
      ANTHROPIC_BASE_URL: modelUrl,
      ANTHROPIC_API_KEY: "chaos",
    };
    const args = [source, "start", "--json", "--home", this.home, "--port", "0"];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", this.#log] });
    this.#child = child;
    this.#startedAt = performance.now();
    this.#lives.write({ at: Date.now(), pid: child.pid ?? 0, what: "started" });
    child.stdout?.setEncoding("utf8").once("data", (line: string) => {
      // One that cannot start says why, in the same form.
      const { url } = JSON.parse(line);
      if (url === undefined) return;
      this.#accepts = true;
      this.#url.resolve(url);
    });
    this.#lastExit = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.#noteEnd(child, code, signal);
        resolve(code);
        this.#ended();
      });
    });
  }

  #ended(): void {
    this.#child = null;
    if (this.#accepts) this.#url = Promise.withResolvers();
    this.#accepts = false;
    if (!this.#over) setTimeout(() => this.#over || this.#start(), restartMs);
  }

  #noteEnd(child: ChildProcess, code: number | null, signal: string | null): void {
    const expected =
      this.#ordered.has(child) || (!this.#accepts && this.#options.storageSuffered(this.#startedAt));
    this.#lives.write({ at: Date.now(), pid: child.pid ?? 0, what: "ended", code, signal, expected });
  }
}
