/**
 * The loopback model gateway. Claude processes talk to it with a key of their own, it talks to the model's API with
 * the real credential, which therefore never enters a process that runs a contact's tools.
 *
 * A pass-through for now. All model traffic goes through `handle`: metering and budgets belong before the request is
 * passed on, retries and shared back-off around it. They belong here because a retry that the CLI does not see leaves
 * no trace in the transcript.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import { sendError } from "./api-error.ts";
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
  /** When it left for the upstream. */
  readonly leftAt: number;
  /** When the first byte of the response came; null when none did. */
  readonly firstByteAt: number | null;
  /** The upstream's HTTP status; null when it gave none. */
  readonly status: number | null;
  /** When the response had ended, or either side broke off. Null: the request is in flight. */
  readonly endedAt: number | null;
}

export interface TokenOptions {
  /** The generation of the process that the token is for. */
  generation: number;
  /** Called for each request when it leaves, at the first byte of its response, and when it has ended. */
  onRequest?: (request: ModelRequest) => void;
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
  issue(options: TokenOptions): GatewayToken;
  /** Ends every connection on both sides and resolves when the server is closed. */
  close(): Promise<void>;
}

export interface GatewayOptions {
  upstream: UpstreamOptions;
  clock: Clock;
  log: Logger;
}

export async function startGateway({ upstream: options, clock, log }: GatewayOptions): Promise<Gateway> {
  const upstream = new Upstream(options);
  const tokens = new Tokens<TokenOptions>();
  let count = 0;

  const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const holder = tokens.holder(incoming.headers);
    if (!holder) {
      sendError(outgoing, 401, "authentication_error", "Unknown or revoked gateway token");
      return;
    }
    const url = URL.parse(incoming.url ?? "/", "http://gateway");
    if (!url?.pathname.startsWith("/v1/")) {
      sendError(outgoing, 404, "not_found_error", "Only /v1/ is served");
      return;
    }

    count += 1;
    const { generation, onRequest } = holder;
    let request: ModelRequest = {
      n: count,
      generation,
      kind: kindOf(url.pathname),
      leftAt: clock.now(),
      firstByteAt: null,
      status: null,
      endedAt: null,
    };
    outgoing.on("close", () => {
      request = { ...request, endedAt: clock.now() };
      onRequest?.(request);
    });
    upstream.pass(url.pathname + url.search, incoming, outgoing, {
      onResponse(status) {
        request = { ...request, firstByteAt: clock.now(), status };
        onRequest?.(request);
      },
      onFailure(code) {
        log.warn({ generation, code }, "the model's API broke off");
      },
    });
    onRequest?.(request);
  };

  const server = createServer(handle);
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

function kindOf(pathname: string): ModelRequest["kind"] {
  if (pathname === "/v1/messages") return "messages";
  return pathname === "/v1/messages/count_tokens" ? "count_tokens" : "other";
}
