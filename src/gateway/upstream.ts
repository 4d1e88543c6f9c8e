/**
 * The model's API behind the gateway: one attempt at a question. Nothing is decoded or retried here, and the answer's
 * body is read only as fast as the process takes it.
 */
import * as http from "node:http";
import * as https from "node:https";
import type { Question } from "./question.ts";

export interface UpstreamOptions {
  /** Of an endpoint of the Messages API, http or https; may have a path prefix. */
  baseUrl: string;
  /** The real credential, sent as `x-api-key`; or `authToken`, sent as bearer token. Neither: none is sent. */
  apiKey?: string;
  authToken?: string;
}

/** The API gave no answer, or broke off; the code is the system's, e.g. `ECONNREFUSED`. */
export class Broken extends Error {
  readonly code: string;

  constructor(cause: NodeJS.ErrnoException) {
    const code = cause.code ?? cause.message;
    super(`the model's API broke off: ${code}`, { cause });
    this.code = code;
  }
}

export interface Answer {
  readonly status: number;
  /** Without those that concern one connection. */
  readonly headers: http.IncomingHttpHeaders;
  /** The next piece of the body, or null at its end. Rejects with {@link Broken}. */
  next(): Promise<Buffer | null>;
}

/** Idle connections are dropped before the usual server (5 s) drops them, so that no request meets a closing one. */
const IDLE_MS = 4_000;

export class Upstream {
  readonly #base: URL;
  readonly #credential: Record<string, string>;
  readonly #secrets: readonly string[];
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
    this.#secrets = [apiKey, authToken].filter(
      (secret) => secret !== undefined && secret.length > 0,
    ) as string[];
    this.#transport = this.#base.protocol === "https:" ? https : http;
    this.#agent = new this.#transport.Agent({ keepAlive: true, timeout: IDLE_MS });
  }

  /**
   * Sends a question, to its path below the base URL. Resolves with the answer's head; rejects with {@link Broken}.
   * `signal` ends the attempt at any time, until the end of the body; its reason is the cause then.
   */
  ask({ path, method, headers, body }: Question, signal: AbortSignal): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = this.#transport.request({
      agent: this.#agent,
      protocol: this.#base.protocol,
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ""),
      port: this.#base.port,
      path: this.#base.pathname.replace(/\/$/, "") + path,
      method,
      headers: {
        ...endToEnd(headers, OURS),
        // Events are cut out of a stream and put into it: that needs them as they are.
        "accept-encoding": "identity",
        ...(body !== null && { "content-length": body.length }),
        ...this.#credential,
      },
    });
    let answering: http.IncomingMessage | null = null;
    // Once there is an answer, that tells how it ends.
    request.on("error", (error) => reject(broken(error, signal)));
    request.on("response", (response) => {
      answering = response;
      resolve(answerOf(response, signal));
    });
    // A whole response has given its connection back: destroying the request then would hit whoever has it now, and
    // with an error, nobody who listens (measured: an uncaught exception).
    const end = () => (answering ?? request).destroy();
    signal.addEventListener("abort", end, { once: true });
    request.on("close", () => signal.removeEventListener("abort", end));
    if (signal.aborted) end();
    else request.end(body ?? undefined);
    return promise;
  }

  /** Without the credential, should the API have repeated it: what it says of errors is written down. */
  redacted(bytes: Buffer): Buffer {
    const secrets = this.#secrets.filter((secret) => bytes.includes(secret));
    if (secrets.length === 0) return bytes;
    return Buffer.from(
      secrets.reduce((text, secret) => text.replaceAll(secret, "[credential]"), String(bytes)),
    );
  }

  close(): void {
    this.#agent.destroy();
  }
}

function answerOf(response: http.IncomingMessage, signal: AbortSignal): Answer {
  const chunks = response.iterator();
  // `next` tells it, to whoever still asks.
  response.on("error", () => {});
  return {
    status: response.statusCode ?? 502,
    headers: endToEnd(response.headers),
    async next() {
      try {
        const { value, done } = await chunks.next();
        return done ? null : value;
      } catch (error) {
        throw broken(error, signal);
      }
    },
  };
}

/** Whoever ended the attempt knows why; the connection only tells that it was cut. */
function broken(error: unknown, signal: AbortSignal): Broken {
  return new Broken(asError(signal.aborted ? signal.reason : error));
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
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

/**
 * What the process says about these holds between it and the gateway (`expect` is answered by the server). A body is
 * always framed by us, whatever the method or `connection` says: unframed, it could pass for another request.
 */
const OURS = ["host", "x-api-key", "authorization", "expect", "content-length", "accept-encoding"];

function endToEnd(
  headers: http.IncomingHttpHeaders,
  alsoNot: readonly string[] = [],
): http.IncomingHttpHeaders {
  const named = (headers.connection ?? "").toLowerCase().split(/\s*,\s*/);
  const dropped = new Set([...HOP_BY_HOP, ...named, ...alsoNot]);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)));
}
