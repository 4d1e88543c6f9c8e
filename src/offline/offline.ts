/**
 * A model that needs no network: an HTTP server on the loopback interface that speaks the Messages API well enough
 * for the real Claude Code process. Without a script it answers by `answer`, from the request alone.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { type Clock, systemClock } from "../clock.ts";
import { answer } from "./answer.ts";
import { inputTokens, sendError } from "./message-writer.ts";
import { messagesRequest } from "./messages-api.ts";
import { play } from "./play.ts";
import { type RecordedRequest, RequestLog } from "./requests.ts";
import type { Rule, Step } from "./step.ts";

export interface OfflineOptions {
  /** How many of the newest requests are kept. Default 0; tests pass `Infinity`. */
  keep?: number;
  clock?: Clock;
}

export interface OfflineModel {
  /** The base URL, e.g. `http://127.0.0.1:41234`. */
  readonly url: string;
  /** The kept requests, oldest first. */
  requests(): readonly RecordedRequest[];
  /** Resolves with the first kept or coming request of which `predicate` holds. */
  waitForRequest(predicate: (request: RecordedRequest) => boolean): Promise<RecordedRequest>;
  /**
   * Adds a rule behind those there are; the first that gives a step wins. Returns a function that takes it back.
   * @example model.script((request) => userMessages(request.body).at(-1) === "hi" ? { kind: "hang" } : undefined)
   */
  script(rule: Rule): () => void;
  /** Ends every connection and resolves when the server is closed. */
  close(): Promise<void>;
}

export async function startOffline({
  keep = 0,
  clock = systemClock,
}: OfflineOptions = {}): Promise<OfflineModel> {
  const log = new RequestLog(keep);
  const rules = new Set<Rule>();

  const stepFor = (request: RecordedRequest): Step => {
    for (const rule of rules) {
      const step = rule(request);
      if (step) return step;
    }
    return { kind: "text", text: answer(request.body) };
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "/";
    const kind = kindOf(request.method, path);
    if (kind === "probe") return void response.end();
    if (kind === undefined) return sendError(response, 404, "not_found_error", "Not found");

    const body = messagesRequest.safeParse(await json(request).catch(() => undefined));
    if (!body.success) return sendError(response, 400, "invalid_request_error", body.error.message);

    const gone = new AbortController();
    const recorded = log.add({
      at: clock.now(),
      kind,
      path,
      headers: request.headers,
      body: body.data,
      ended: new Promise((resolve) => {
        response.once("close", () => {
          resolve(response.writableFinished ? "answered" : "cut");
          gone.abort();
        });
      }),
    });
    if (kind === "count_tokens") {
      response.setHeader("content-type", "application/json");
      return void response.end(JSON.stringify({ input_tokens: inputTokens(body.data) }));
    }
    await play(stepFor(recorded), { request: body.data, response, gone: gone.signal, clock });
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      // A rule that throws, a client that left while it was still sending.
      if (response.headersSent) response.destroy();
      else sendError(response, 500, "api_error", String(error));
    });
  });
  // An idle connection is the client's to close: the server closing it would race with the next request.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the offline model has no port");

  return {
    url: `http://127.0.0.1:${address.port}`,
    requests: () => log.list(),
    waitForRequest: (predicate) => log.waitFor(predicate),
    script(rule) {
      rules.add(rule);
      return () => rules.delete(rule);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function kindOf(method: string | undefined, path: string): RecordedRequest["kind"] | "probe" | undefined {
  const [pathname] = path.split("?");
  if (method === "POST" && pathname === "/v1/messages") return "messages";
  if (method === "POST" && pathname === "/v1/messages/count_tokens") return "count_tokens";
  if ((method === "GET" || method === "HEAD") && pathname === "/") return "probe";
  return undefined;
}
