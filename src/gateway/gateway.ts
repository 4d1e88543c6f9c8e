/**
 * The loopback model gateway. Claude processes talk to it with a key of their own, it talks to the model's API with
 * the real credential, which therefore never enters a process that runs a contact's tools.
 *
 * Trouble with the API lives here: an attempt that is made again without the process seeing it leaves no trace in its
 * transcript. One `Line` is shared by all requests, each of which is an `Exchange`. What trouble means for chats is
 * decided elsewhere, from what is told here. So it is with money: what each request has used is told, and whether the next
 * one may leave is asked.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { ErrorType } from "./api-error.ts";
import { Caller, failure } from "./caller.ts";
import { Exchange, type ExchangeEvents } from "./exchange.ts";
import { Line, type Trouble } from "./line.ts";
import type { ModelUsage } from "./prices.ts";
import { readQuestion, wantsStream } from "./question.ts";
import { defaultTimes, type Times } from "./times.ts";
import { Tokens } from "./tokens.ts";
import { Upstream, type UpstreamOptions } from "./upstream.ts";

/** One request of a process to the model's API. Times are ms since the Unix epoch. */
export interface ModelRequest {
  /** Counted from 1 for each gateway. */
  readonly n: number;
  /** The generation of the process that made it. */
  readonly generation: number;
  /** Only `messages` runs the model; `count_tokens` is free, `other` is the rest of `/v1`. */
  readonly kind: "messages" | "count_tokens" | "other";
  /**
   * `waiting`: for an API in trouble. `asking`: it has left, and nothing of an answer was passed on. `answering`: the
   * answer is being passed on. `ended`: it was, or the process got an error, or either side broke off.
   */
  readonly state: "waiting" | "asking" | "answering" | "ended";
  /** How often it has left. */
  readonly attempts: number;
  /** When it first left for the upstream; null while it never has. */
  readonly leftAt: number | null;
  /** When the first content of the answer came; null when none did. */
  readonly firstByteAt: number | null;
  /** The upstream's HTTP status in the last attempt; null when it gave none. */
  readonly status: number | null;
  readonly endedAt: number | null;
}

/** Nothing leaves for the API until a time, or until somebody does something about it. `message` is not for contacts. */
export interface Hold extends Trouble {
  readonly kind: "limit" | "authentication" | "billing";
}

export interface TokenOptions {
  /** The generation of the process that the token is for. */
  generation: number;
  /** What runs the model leaves only after it has resolved; until then it is `waiting`. Default: it leaves at once. */
  admitted?: Promise<unknown>;
  /** While it says so, counts of tokens are answered here by a number that means nothing: nobody will look at it. */
  isWarming?: () => boolean;
  /** Called for each request when its state changes, for the first time when it has arrived whole. */
  onRequest?: (request: ModelRequest) => void;
  /** Asked each time before something that runs the model leaves; false: it does not, and the process waits until it is ended. Default: it may. */
  mayLeave?: () => boolean;
  /** Called for each answer of the model, also for one that broke off, with what it has used as far as it was told. */
  onUsage?: (usage: ModelUsage) => void;
  /** Called when a request that runs the model meets a hold: it will wait, and whoever waits for the process should know. */
  onHeld?: (hold: Hold) => void;
}

export interface GatewayToken {
  /** For the process's ANTHROPIC_API_KEY. */
  readonly token: string;
  /** From now on its requests are refused; those in flight go on. */
  revoke(): void;
}

export interface Gateway {
  /** For the processes' ANTHROPIC_BASE_URL, e.g. `http://127.0.0.1:41234`. */
  readonly url: string;
  /** What ails the model's API, as the last requests found it; null when nothing does. */
  readonly trouble: Trouble | null;
  /** ms for which it lets nobody through; 0: somebody may try. Unlike `trouble.until` not misled by a clock that was set. */
  readonly holdMs: number;
  /** Calls `listener` once for each change of the kind of trouble, and when a limit names another time. Returns a function that ends it. */
  onTrouble(listener: (trouble: Trouble | null) => void): () => void;
  issue(options: TokenOptions): GatewayToken;
  /** Ends every connection on both sides and resolves when the server is closed. */
  close(): Promise<void>;
}

export interface GatewayOptions {
  upstream: UpstreamOptions;
  clock: Clock;
  log: Logger;
  /** Default: `defaultTimes`. */
  times?: Partial<Times>;
  /** For jitter, from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

export async function startGateway({
  clock,
  log,
  random = Math.random,
  ...options
}: GatewayOptions): Promise<Gateway> {
  const times = { ...defaultTimes, ...options.times };
  const upstream = new Upstream(options.upstream);
  const line = new Line({ clock, random, times });
  line.onChange((trouble) => {
    if (trouble === null) log.info({}, "the model's API is well again");
    else log.warn({ kind: trouble.kind, until: trouble.until }, "the model's API is in trouble");
  });
  const tokens = new Tokens<TokenOptions>();
  let count = 0;

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const holder = tokens.holder(incoming.headers);
    if (!holder) return refuse(response, 401, "authentication_error", "Unknown or revoked gateway token");
    const url = URL.parse(incoming.url ?? "/", "http://gateway");
    if (!url?.pathname.startsWith("/v1/"))
      return refuse(response, 404, "not_found_error", "Only /v1/ is served");
    const question = await readQuestion(url.pathname + url.search, incoming);
    if (question === "too large") return refuse(response, 413, "request_too_large", "More than 32 MiB");

    if (kindOf(url.pathname) === "count_tokens" && holder.isWarming?.() === true) return uncounted(response);
    // It left while its question was read: nobody would hear of its end.
    if (response.closed) return;
    const caller = new Caller({ response, wantsStream: () => wantsStream(question), clock, times });
    count += 1;
    const { events, ended } = follow({ n: count, kind: kindOf(url.pathname), holder, clock, log });
    caller.gone.addEventListener("abort", ended);
    const runsModel = kindOf(url.pathname) === "messages";
    if (runsModel && holder.admitted !== undefined) {
      events.onWaiting();
      await Promise.race([holder.admitted, once(caller.gone, "abort")]);
    }
    const mayLeave = () => holder.mayLeave?.() ?? true;
    const exchange = { question, runsModel, mayLeave, caller, line, upstream, clock, random, times, events };
    await new Exchange(exchange).run();
  };

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: unknown) => {
      // A process that left while it was still sending is none.
      if (!incoming.destroyed || incoming.complete) log.error({ err: error }, "an exchange failed");
      response.destroy();
    });
  });
  // An idle connection is the process's to close: the server closing it would race with the next request.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the gateway has no port");

  return {
    url: `http://127.0.0.1:${address.port}`,
    get holdMs() {
      return line.holdMs;
    },
    get trouble() {
      return line.trouble;
    },
    onTrouble: (listener) => line.onChange(listener),
    issue: (holder) => tokens.issue(holder),
    async close() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      upstream.close();
    },
  };
}

/** Tells a token's holder how one of its requests fares. */
function follow(options: {
  n: number;
  kind: ModelRequest["kind"];
  holder: TokenOptions;
  clock: Clock;
  log: Logger;
}): { events: ExchangeEvents; ended: () => void } {
  const { n, kind, holder, clock, log } = options;
  const { generation, onRequest, onHeld, onUsage } = holder;
  let request: ModelRequest | null = null;
  const told = (state: ModelRequest["state"], news: Partial<ModelRequest> = {}) => {
    const fresh = {
      n,
      generation,
      kind,
      attempts: 0,
      leftAt: null,
      firstByteAt: null,
      status: null,
      endedAt: null,
    };
    if (request?.state === state) return;
    request = { ...(request ?? fresh), ...news, state };
    onRequest?.(request);
  };
  return {
    events: {
      onWaiting: () => told("waiting"),
      onAsking() {
        told("asking", { attempts: (request?.attempts ?? 0) + 1, leftAt: request?.leftAt ?? clock.now() });
      },
      onAnswering: (status) => told("answering", { status, firstByteAt: clock.now() }),
      onTrouble(trouble) {
        if (trouble.kind !== "transient" && kind === "messages") onHeld?.({ ...trouble, kind: trouble.kind });
      },
      onFailed(verdict, status) {
        if (request !== null) request = { ...request, status };
        log.debug({ generation, n, kind: verdict.kind, status }, "an attempt at the model's API failed");
      },
      onUsage: (usage) => onUsage?.(usage),
    },
    ended: () => told("ended", { endedAt: clock.now() }),
  };
}

function refuse(response: ServerResponse, status: number, type: ErrorType, message: string): void {
  const { headers, body } = failure(status, type, message);
  response.writeHead(status, headers);
  response.end(body);
}

function uncounted(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ input_tokens: 1 }));
}

function kindOf(pathname: string): ModelRequest["kind"] {
  if (pathname === "/v1/messages") return "messages";
  return pathname === "/v1/messages/count_tokens" ? "count_tokens" : "other";
}
