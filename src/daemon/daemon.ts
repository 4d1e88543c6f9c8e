/**
 * The daemon: Switchboard and its HTTP face, started and stopped in order.
 *
 *   start    token, address, home (`open`), API, `url`
 *   SIGHUP   `switchboard.toml` is read again; what it says holds whole or not at all
 *   end      no more is accepted, turns end and processes close (`Switchboard.close`), streams end, address given up
 *
 * The address comes before the home: `open` takes up open messages and charges their tries, which a start that
 * then fails for a port in use must not do. Until the home is open, every request is told to come again.
 */

import { join } from "node:path";
import { createApi, startingApi } from "../api/api.ts";
import { type ApiServer, type Fetches, type ServeOptions, serveApi } from "../api/server.ts";
import { systemClock } from "../clock.ts";
import { type Config, loadConfig } from "../config.ts";
import { SwitchboardError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { open } from "../open.ts";
import type { OpenOptions, Switchboard } from "../switchboard.ts";
import type { ReloadView } from "../views.ts";
import { apiToken, readAddress, removeAddress, tokenFile, writeAddress } from "./home.ts";
import { supervisorOf } from "./notify.ts";
import { StartError, systemCode } from "./start-error.ts";
import { createTerminalLogger } from "./terminal-log.ts";
import { tracesOf } from "./traces.ts";
import { upstreamOf } from "./upstream.ts";

export interface DaemonOptions {
  /** The folder that holds everything; made when missing. */
  home: string;
  /** The address to listen on. */
  host: string;
  /** 0: any free one. */
  port: number;
  /** Where the credentials of the model's API are looked for, and what systemd wants to be told. */
  env: Record<string, string | undefined>;
  /** A terminal holds it: SIGHUP tells that this is gone, and ends the daemon instead of having the config read again. */
  onTerminal?: boolean;
  /** Somebody reads the log as it comes: its lines are laid out for people. Default: JSON. */
  logsToTerminal?: boolean;
  /** Called once, when messages are accepted. */
  started(daemon: Started): void;
}

export interface Started {
  pid: number;
  url: string;
  /** The dashboard's address. It holds the token, in the part that a browser keeps to itself. */
  dashboard: string;
  home: string;
  tokenFile: string;
  upstream: Switchboard["host"]["upstream"];
}

interface Wishes {
  /** Finish what runs, then end. */
  stop: AbortController;
  /** End what is left at once. */
  hurry: AbortController;
  /** Read the config again. */
  reload: Wish;
}

/** Who listens late hears what was asked for before. */
class Wish {
  #wasAsked = false;
  #listener: (() => void) | null = null;

  ask(): void {
    if (this.#listener === null) this.#wasAsked = true;
    else this.#listener();
  }

  onAsked(listener: () => void): void {
    this.#listener = listener;
    if (this.#wasAsked) listener();
  }
}

/**
 * Runs until SIGTERM, SIGINT or `POST /v1/shutdown`; a second signal ends what is left at once.
 * Resolves when no process is left. Throws a {@link StartError} or a `SwitchboardError` when it cannot start.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const wishes: Wishes = {
    stop: new AbortController(),
    hurry: new AbortController(),
    reload: new Wish(),
  };
  const end = () => (wishes.stop.signal.aborted ? wishes.hurry : wishes.stop).abort();
  const reload = () => wishes.reload.ask();
  const listeners = { SIGTERM: end, SIGINT: end, SIGHUP: options.onTerminal === true ? end : reload };
  for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener);
  try {
    await run(options, wishes);
  } finally {
    for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener);
  }
}

async function run(
  { home, host, port, env, logsToTerminal, started }: DaemonOptions,
  wishes: Wishes,
): Promise<void> {
  const { stop, hurry } = wishes;
  const token = apiToken(home);
  const file = join(home, "switchboard.toml");
  const config = loadConfig(file);
  const upstream = upstreamOf(env, config.api.direct);
  const { log_level: level } = config;
  const log = logsToTerminal === true ? await createTerminalLogger(level) : createLogger(level);
  const supervisor = supervisorOf({ env, pid: process.pid, clock: systemClock, log });
  let app: Fetches = startingApi(log);
  const server = await listen(home, token, { app: { fetch: (request) => app.fetch(request) }, host, port });
  try {
    const traces = await tracesOf(env, log);
    const switchboard = await openHome({ home, upstream, config, log });
    const traced = traces?.follow(switchboard);
    const ending = new AbortController();
    const adopt = ({ limits, log_level }: Config) => {
      log.level = log_level;
      app = createApi({
        ...{ switchboard, token, host, log, reload, ending: ending.signal },
        limits: { textBytes: limits.text_bytes, attachmentBytes: limits.attachment_bytes },
        shutdown: () => stop.abort(),
      });
    };
    const reload = reloader(file, switchboard, adopt);
    const stopWatch = supervisor.watch(() => answers(switchboard));
    try {
      adopt(config);
      // It logs by itself why nothing comes of it.
      wishes.reload.onAsked(() => void reload().catch(() => {}));
      writeAddress(home, server.url);
      log.info({ url: server.url }, "started");
      await supervisor.ready(server.url);
      started({
        pid: process.pid,
        url: server.url,
        dashboard: `${server.url}/#token=${encodeURIComponent(token)}`,
        home,
        tokenFile: tokenFile(home),
        upstream: switchboard.host.upstream,
      });
      await aborted(stop.signal);
      log.info({}, "ending");
      void supervisor.stopping();
    } finally {
      await switchboard.close({ hurry: hurry.signal });
      await traced?.settled;
      ending.abort();
      removeAddress(home, server.url);
      stopWatch();
    }
  } finally {
    await server.close();
  }
}

/** Reads the config again; what Switchboard has taken over is `adopt`'s, too. */
function reloader(
  file: string,
  switchboard: Switchboard,
  adopt: (config: Config) => void,
): () => Promise<ReloadView> {
  return async () => {
    const read: Config[] = [];
    const done = await switchboard.reload(() => {
      const config = loadConfig(file);
      read.push(config);
      return config;
    });
    read.forEach(adopt);
    return done;
  };
}

/** Whether the ledger says anything: that another program holds the file, or the disk is full, no new start would mend. */
async function answers(switchboard: Switchboard): Promise<void> {
  try {
    await switchboard.chats({ limit: 1 });
  } catch (error) {
    const isHeld = error instanceof SwitchboardError && /^storage_(busy|full)$/.test(error.code);
    if (!isHeld) throw error;
  }
}

async function openHome(options: OpenOptions): Promise<Switchboard> {
  try {
    return await open(options);
  } catch (error) {
    if (!(error instanceof SwitchboardError) || error.code !== "home_in_use") throw error;
    const url = readAddress(options.home);
    throw alreadyRuns(url === undefined ? error.message : `${error.message} at ${url}`, error);
  }
}

async function listen(home: string, token: string, options: ServeOptions): Promise<ApiServer> {
  const { host, port } = options;
  try {
    return await serveApi(options);
  } catch (error) {
    switch (systemCode(error)) {
      case "EADDRINUSE": {
        const url = readAddress(home);
        const pid = url === undefined ? undefined : await daemonAt(url, token);
        if (pid !== undefined) {
          throw alreadyRuns(`another Switchboard runs on ${home}: process ${pid} at ${url}`, error);
        }
        throw new StartError("port_in_use", `port ${port} of ${host} is in use by another program`, {
          hint: "Name another with --port or SWITCHBOARD_PORT; --port 0 takes any free one.",
          cause: error,
        });
      }
      case "EACCES":
        throw new StartError("address_unusable", `port ${port} may not be listened on by this user`, {
          hint: "Name one from 1024 on with --port, or --port 0 for any free one.",
          cause: error,
        });
      default: {
        const reason = error instanceof Error ? error.message : String(error);
        throw new StartError("address_unusable", `${host} cannot be listened on: ${reason}`, {
          hint: "Name an address of this machine with --host.",
          cause: error,
        });
      }
    }
  }
}

function alreadyRuns(message: string, cause: unknown): SwitchboardError {
  return new SwitchboardError("home_in_use", message, {
    hint: "Use that one, end it with `switchboard down`, or start this one with another --home and --port.",
    cause,
  });
}

/** The pid of the daemon at `url` if it takes this home's token: no other home's does. */
async function daemonAt(url: string, token: string): Promise<number | undefined> {
  const timeout = AbortSignal.timeout(2000);
  try {
    const headers = { authorization: `Bearer ${token}` };
    const known = await fetch(`${url}/v1/openapi.json`, { method: "HEAD", headers, signal: timeout });
    if (!known.ok) return undefined;
    const health: unknown = await (await fetch(`${url}/healthz`, { signal: timeout })).json();
    return typeof health === "object" && health !== null && "pid" in health && typeof health.pid === "number"
      ? health.pid
      : undefined;
  } catch {
    return undefined;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
