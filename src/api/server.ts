/**
 * The socket under the API. It can be bound before there is anything to answer with, so that a port in use is
 * known before a home is touched.
 */

import { isIPv6 } from "node:net";
import { createAdaptorServer, type ServerType } from "@hono/node-server";

/** How long answers may still be on their way at the end. */
const closeGraceMs = 2_000;

export interface Fetches {
  fetch(request: Request): Response | Promise<Response>;
}

export interface ServeOptions {
  app: Fetches;
  host: string;
  /** 0: any free one. */
  port: number;
  /** A request must have come in whole by then, in ms (default 30 000); how long its answer takes is not limited. */
  requestTimeoutMs?: number;
}

export interface ApiServer {
  /** Where a client on this machine finds it, without a slash at the end. */
  url: string;
  /** Answers what is under way, then ends every connection. Open streams must have been told to end before. */
  close(): Promise<void>;
}

/** Rejects with the system's error (`EADDRINUSE`, `EACCES`…) when it cannot listen. */
export async function serveApi(options: ServeOptions): Promise<ApiServer> {
  const { app, host, port, requestTimeoutMs = 30_000 } = options;
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    overrideGlobalObjects: false,
    serverOptions: {
      requestTimeout: requestTimeoutMs,
      headersTimeout: requestTimeoutMs / 3,
      connectionsCheckingInterval: requestTimeoutMs / 6,
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${reachable(host)}:${bound}`,
    close: () => end(server),
  };
}

function end(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    // A connection that was busy at the end of listening would else be kept for its next request.
    const idle = setInterval(() => "closeIdleConnections" in server && server.closeIdleConnections(), 20);
    const cut = setTimeout(
      () => "closeAllConnections" in server && server.closeAllConnections(),
      closeGraceMs,
    );
    server.close(() => {
      clearInterval(idle);
      clearTimeout(cut);
      resolve();
    });
  });
}

function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIPv6(host) ? `[${host}]` : host;
}
