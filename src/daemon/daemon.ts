/**
 * The daemon: Switchboard and its HTTP face, started and stopped in order.
 *
 *   start    token, address, home (`open`), API, `url`
 *   end      no more is accepted, turns end and processes close (`Switchboard.close`), streams end, address given up
 *
 * The address comes before the home: `open` takes up open messages and charges their tries, which a start that
 * then fails for a port in use must not do. Until the home is open, every request is told to come again.
 */

import { join } from "node:path";
import { createApi, startingApi } from "../api/api.ts";
import { type ApiServer, type Fetches, type ServeOptions, serveApi } from "../api/server.ts";
import { loadConfig } from "../config.ts";
import { SwitchboardError } from "../errors.ts";
import { createLogger } from "../log.ts";
import { type OpenOptions, open, type Switchboard } from "../switchboard.ts";
import { apiToken, readAddress, removeAddress, tokenFile, writeAddress } from "./home.ts";
import { StartError, systemCode } from "./start-error.ts";
import { upstreamOf } from "./upstream.ts";

export interface DaemonOptions {
  /** The folder that holds everything; made when missing. */
  home: string;
  /** The address to listen on. */
  host: string;
  /** 0: any free one. */
  port: number;
  /** Where the credentials of the model's API are looked for. */
  env: Record<string, string | undefined>;
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

interface Ends {
  /** Finish what runs, then end. */
  stop: AbortController;
  /** End what is left at once. */
  hurry: AbortController;
}

/**
 * Runs until SIGTERM, SIGINT, SIGHUP or `POST /v1/shutdown`; a second signal ends what is left at once.
 * Resolves when no process is left. Throws a {@link StartError} or a `SwitchboardError` when it cannot start.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const ends: Ends = { stop: new AbortController(), hurry: new AbortController() };
  const onSignal = () => (ends.stop.signal.aborted ? ends.hurry : ends.stop).abort();
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await run(options, ends);
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

async function run({ home, host, port, env, started }: DaemonOptions, { stop, hurry }: Ends): Promise<void> {
  const token = apiToken(home);
  const config = loadConfig(join(home, "switchboard.toml"));
  const upstream = upstreamOf(env, config.api.direct);
  const log = createLogger(config.log_level);
  let app: Fetches = startingApi(log);
  const server = await listen(home, token, { app: { fetch: (request) => app.fetch(request) }, host, port });
  try {
    const switchboard = await openHome({ home, upstream, config, log });
    const ending = new AbortController();
    try {
      app = createApi({
        switchboard,
        token,
        host,
        log,
        limits: {
          textBytes: config.limits.text_bytes,
          attachmentBytes: config.limits.attachment_bytes,
        },
        shutdown: () => stop.abort(),
        ending: ending.signal,
      });
      writeAddress(home, server.url);
      log.info({ url: server.url }, "started");
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
    } finally {
      await switchboard.close({ hurry: hurry.signal });
      ending.abort();
      removeAddress(home, server.url);
    }
  } finally {
    await server.close();
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
