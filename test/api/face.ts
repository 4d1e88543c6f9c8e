/** The API over a Switchboard, on a real socket. */

import { createApi } from "../../src/api/api.ts";
import { type ApiServer, serveApi } from "../../src/api/server.ts";
import { defaultConfig } from "../../src/config.ts";
import { type Logger, silent } from "../../src/log.ts";
import type { Switchboard } from "../../src/switchboard.ts";

export const token = "a-token-of-the-tests";

export interface FaceOptions {
  host?: string;
  log?: Logger;
  textBytes?: number;
  attachmentBytes?: number;
  requestTimeoutMs?: number;
}

export interface Face {
  url: string;
  /** How often a shutdown was asked for. */
  shutdowns: number;
  /** With the token, unless `headers` says otherwise. */
  call(method: string, path: string, more?: Call): Promise<Answer>;
  /** As the daemon ends: open streams and waits are told, then the server. */
  end(): Promise<void>;
}

interface Call {
  json?: unknown;
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely.
  body: any;
}

export async function serve(switchboard: Switchboard, options: FaceOptions = {}): Promise<Face> {
  const {
    host = "127.0.0.1",
    log = silent,
    textBytes = 262_144,
    attachmentBytes = 0,
    requestTimeoutMs,
  } = options;
  const ending = new AbortController();
  const app = createApi({
    switchboard,
    token,
    host,
    log,
    limits: { textBytes, attachmentBytes },
    shutdown: () => face.shutdowns++,
    reload: () => switchboard.reload(defaultConfig),
    ending: ending.signal,
  });
  const server: ApiServer = await serveApi({
    app,
    host,
    port: 0,
    ...(requestTimeoutMs !== undefined && { requestTimeoutMs }),
  });
  const face: Face = {
    url: server.url,
    shutdowns: 0,
    async call(method, path, { json, body, headers, signal } = {}) {
      const response = await fetch(server.url + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(json !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(body !== undefined && { body }),
        ...(signal !== undefined && { signal }),
      });
      const text = await response.text();
      const isJson = response.headers.get("content-type") === "application/json";
      return {
        status: response.status,
        headers: response.headers,
        body: isJson && text !== "" ? JSON.parse(text) : text,
      };
    },
    async end() {
      ending.abort();
      await server.close();
    },
  };
  return face;
}

/** Polls until it holds; fails after ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`never came true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
