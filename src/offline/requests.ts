/**
 * The list of requests that came in, for tests. A daemon keeps none: a request holds the whole conversation.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { MessagesRequest } from "./messages-api.ts";

export interface RecordedRequest {
  /** Counted from 1. */
  readonly n: number;
  /** When its body had arrived, ms since the Unix epoch. */
  readonly at: number;
  readonly kind: "messages" | "count_tokens";
  /** With its query string. */
  readonly path: string;
  /** As they came; what the client claims to be is in `x-api-key` and `authorization`. */
  readonly headers: IncomingHttpHeaders;
  readonly body: MessagesRequest;
  /** Resolves when the answer was sent whole, or when the connection was closed before that, by whomever. */
  readonly ended: Promise<"answered" | "cut">;
}

export class RequestLog {
  readonly #keep: number;
  readonly #kept: RecordedRequest[] = [];
  readonly #waiting = new Set<(request: RecordedRequest) => void>();
  #count = 0;

  /** Keeps the newest `keep` requests. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  add(request: Omit<RecordedRequest, "n">): RecordedRequest {
    this.#count += 1;
    const recorded = { n: this.#count, ...request };
    this.#kept.push(recorded);
    if (this.#kept.length > this.#keep) this.#kept.shift();
    for (const notice of this.#waiting) notice(recorded);
    return recorded;
  }

  list(): readonly RecordedRequest[] {
    return [...this.#kept];
  }

  waitFor(predicate: (request: RecordedRequest) => boolean): Promise<RecordedRequest> {
    const past = this.#kept.find(predicate);
    if (past) return Promise.resolve(past);
    return new Promise((resolve) => {
      const notice = (request: RecordedRequest) => {
        if (!predicate(request)) return;
        this.#waiting.delete(notice);
        resolve(request);
      };
      this.#waiting.add(notice);
    });
  }
}
