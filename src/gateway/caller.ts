/**
 * The process's side of one exchange. The process is patient as long as it hears something (measured: Claude Code goes
 * on waiting while pings come, beyond all its timeouts), so a stream that has been silent for a while is pinged, before
 * and in the middle of an answer.
 *
 * The first ping commits the response to status 200. An error that comes later goes out as an event, which ends the
 * stream.
 */
import { once } from "node:events";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import { type ErrorType, errorJson, readError } from "./api-error.ts";
import { eventBytes } from "./stream-events.ts";
import type { Times } from "./times.ts";

/** An HTTP error, as the API gave it or in its shape. */
export interface Failure {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface CallerOptions {
  response: ServerResponse;
  /** Whether it asked for a stream; asked once, after `quietMs`. */
  wantsStream: () => boolean;
  clock: Clock;
  times: Pick<Times, "quietMs" | "pingMs">;
}

const ping = eventBytes("ping", JSON.stringify({ type: "ping" }));

export class Caller {
  readonly #options: CallerOptions;
  readonly #gone = new AbortController();
  /** `unbegun`: nothing was sent. `waiting`: pings only. Then the answer: as events, or as bytes that nobody looks into. */
  #sent: "unbegun" | "waiting" | "events" | "bytes" = "unbegun";
  #cancelPing: () => void;

  constructor(options: CallerOptions) {
    this.#options = options;
    options.response.on("close", () => {
      this.#cancelPing();
      this.#gone.abort(new Error("the process left"));
    });
    this.#cancelPing = options.clock.after(options.times.quietMs, () => {
      if (this.#sent !== "unbegun" || options.wantsStream()) this.#ping();
    });
  }

  /** Aborts when the response is closed, whole or not. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether it already has a status 200 and only a stream's events can follow. */
  get pinged(): boolean {
    return this.#sent === "waiting";
  }

  /** Whether anything of an answer was passed on, so that no other can take its place. */
  get begun(): boolean {
    return this.#sent === "events" || this.#sent === "bytes";
  }

  /** The answer begins: with `events`, or with bytes, between which nothing is put. */
  begin(status: number, headers: IncomingHttpHeaders, content: "events" | "bytes"): void {
    if (this.#sent === "unbegun") {
      this.#options.response.writeHead(status, headers);
      this.#options.response.flushHeaders();
    }
    this.#sent = content;
    if (content === "bytes") this.#cancelPing();
  }

  /** Resolves when there is room for more, or nobody to take it. */
  async write(bytes: Buffer): Promise<void> {
    const { response } = this.#options;
    if (this.gone.aborted || bytes.length === 0) return;
    if (this.#sent === "events") this.#pingIn(this.#options.times.quietMs);
    if (!response.write(bytes)) await once(response, "drain", { signal: this.gone }).catch(() => {});
  }

  end(): void {
    this.#options.response.end();
  }

  /** Instead of an answer, or of the rest of one. */
  fail(failure: Failure): void {
    const { response } = this.#options;
    switch (this.#sent) {
      case "unbegun":
        response.writeHead(failure.status, failure.headers);
        response.end(failure.body);
        break;
      case "waiting":
        response.end(eventBytes("error", errorIn(failure)));
        break;
      case "events":
        // Of all errors in mid-stream, this is the one after which Claude Code keeps what it has and goes on by itself.
        response.end(eventBytes("error", errorJson("overloaded_error", "The answer broke off")));
        break;
      case "bytes":
        response.destroy();
    }
  }

  #ping(): void {
    const { response, times } = this.#options;
    if (this.#sent === "unbegun") {
      this.#sent = "waiting";
      const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
      response.writeHead(200, headers);
    }
    // One that reads too slowly is not short of bytes.
    if (!response.writableNeedDrain) response.write(ping);
    this.#pingIn(times.pingMs);
  }

  #pingIn(ms: number): void {
    this.#cancelPing();
    this.#cancelPing = this.#options.clock.after(ms, () => this.#ping());
  }
}

export function failure(status: number, type: ErrorType, message: string): Failure {
  const body = Buffer.from(errorJson(type, message));
  return { status, headers: { "content-type": "application/json" }, body };
}

/** One line of JSON, whatever the API wrote. */
function errorIn({ status, body }: Failure): string {
  const error = readError(String(body));
  const { type, message } = error ?? { type: "api_error", message: `The model's API answered ${status}` };
  return JSON.stringify({ type: "error", error: { type, message } });
}
