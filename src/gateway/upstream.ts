/**
 * The model's API behind the gateway. One exchange is passed through as it is, both bodies as streams: nothing is
 * buffered, decoded or retried, and when one side breaks off, so does the other.
 */
import * as http from "node:http";
import * as https from "node:https";
import { pipeline } from "node:stream";
import { sendError } from "./api-error.ts";

export interface UpstreamOptions {
  /** Of an endpoint of the Messages API, http or https; may have a path prefix. */
  baseUrl: string;
  /** The real credential, sent as `x-api-key`; or `authToken`, sent as bearer token. Neither: none is sent. */
  apiKey?: string;
  authToken?: string;
}

export interface ExchangeEvents {
  /** The response's first byte has come. */
  onResponse(status: number): void;
  /** The upstream broke off; `code` is the system's, e.g. `ECONNREFUSED`. */
  onFailure(code: string): void;
}

/** Idle connections are dropped before the usual server (5 s) drops them, so that no request meets a closing one. */
const IDLE_MS = 4_000;

export class Upstream {
  readonly #base: URL;
  readonly #credential: Record<string, string>;
  readonly #transport: typeof http | typeof https;
  readonly #agent: http.Agent;

  /** Throws a TypeError when `baseUrl` is no http or https URL. */
  constructor({ baseUrl, apiKey, authToken }: UpstreamOptions) {
    this.#base = new URL(baseUrl);
    if (!["http:", "https:"].includes(this.#base.protocol))
      throw new TypeError(`not an http(s) URL: ${baseUrl}`);
    this.#credential = {
      ...(apiKey !== undefined && { "x-api-key": apiKey }),
      ...(authToken !== undefined && { authorization: `Bearer ${authToken}` }),
    };
    this.#transport = this.#base.protocol === "https:" ? https : http;
    this.#agent = new this.#transport.Agent({ keepAlive: true, timeout: IDLE_MS });
  }

  /** Passes a request on, to `path` (with query) below the base URL, and the response back. */
  pass(
    path: string,
    incoming: http.IncomingMessage,
    outgoing: http.ServerResponse,
    { onResponse, onFailure }: ExchangeEvents,
  ): void {
    const request = this.#transport.request({
      agent: this.#agent,
      protocol: this.#base.protocol,
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ""),
      port: this.#base.port,
      path: this.#base.pathname.replace(/\/$/, "") + path,
      method: incoming.method,
      headers: { ...endToEnd(incoming.headers, OURS), ...framing(incoming.headers), ...this.#credential },
    });
    const broke = (error: NodeJS.ErrnoException): string => {
      const code = error.code ?? error.message;
      if (!outgoing.destroyed) onFailure(code);
      return code;
    };
    request.on("response", (response) => {
      const status = response.statusCode ?? 502;
      onResponse(status);
      outgoing.writeHead(status, endToEnd(response.headers));
      outgoing.flushHeaders();
      response.once("error", broke);
      pipeline(response, outgoing, () => {}); // On an error of one it destroys the other.
    });
    request.on("error", (error) => {
      // Once there is a response, that tells how it ends.
      if (outgoing.headersSent || outgoing.destroyed) return;
      const code = broke(error);
      sendError(outgoing, 502, "api_error", `The model's API could not be reached: ${code}`);
    });
    outgoing.on("close", () => {
      if (!outgoing.writableFinished) request.destroy();
    });
    incoming.pipe(request);
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** RFC 9110, 7.6.1: these speak about one connection and are not passed on, nor are those that `connection` names. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What the process says about these holds between it and the gateway (`expect` is answered by the server). */
const OURS = ["host", "x-api-key", "authorization", "expect"];

function endToEnd(
  headers: http.IncomingHttpHeaders,
  alsoNot: readonly string[] = [],
): http.OutgoingHttpHeaders {
  const named = (headers.connection ?? "").toLowerCase().split(/\s*,\s*/);
  const dropped = new Set([...HOP_BY_HOP, ...named, ...alsoNot]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}

/** A body is always framed, whatever the method or `connection` says: unframed, it could pass for another request. */
function framing(headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders {
  if (headers["content-length"] !== undefined) return { "content-length": headers["content-length"] };
  return headers["transfer-encoding"] !== undefined ? { "transfer-encoding": "chunked" } : {};
}
