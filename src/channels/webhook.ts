/**
 * A channel by configuration alone: each reply is POSTed to a URL. Messages for it come in by the HTTP API.
 *
 * What became of an attempt is told by what is known for certain. Before there is a connection nothing was sent; each
 * attempt has a connection of its own, so that is seen and not guessed. After that only a status line tells.
 */

import * as http from "node:http";
import * as https from "node:https";
import { z } from "zod";
import type { Clock } from "../clock.ts";
import type { Channel, OutboundReply, SendResult } from "./channel.ts";
import { leastSecret, signatureOf } from "./signature.ts";

/** ms. Well below the limit of an attempt: a host that is not there must not pass for one that does not answer. */
export const connectMs = 10_000;

const secretRule = `must be a text of at least ${leastSecret} characters`;

export const webhookSchema = z.strictObject({
  type: z.literal("webhook").meta({ description: "Each reply is POSTed to a URL.", examples: ["webhook"] }),
  url: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .meta({ description: "Where replies are POSTed to.", examples: ["http://127.0.0.1:9000/replies"] }),
  secret: z
    .string(secretRule)
    .min(leastSecret, secretRule)
    .meta({
      description:
        "Signs each reply, so that the receiver can tell that it comes from here; 16 characters at least.",
      examples: ["put a long random text here"],
      secret: true,
    }),
  after_crash: z
    .enum(["resend", "mark", "hold"])
    .default("resend")
    .describe(
      "A reply that may have gone out already: `resend` as it is, `mark` as a possible double, or `hold` until asked for.",
    ),
  expire_seconds: z
    .number()
    .positive()
    .max(30 * 86_400)
    .default(86_400)
    .describe("A reply that is older is given up instead of being sent again."),
  stop_words: z
    .array(z.string().trim().min(1))
    .default(["stop"])
    .describe("Such a message stops what the chat is doing; the model never sees it."),
});

export type WebhookConfig = z.output<typeof webhookSchema>;

/**
 * The request has the body `{"reply": OutboundReply}` and the headers `Idempotency-Key` (the reply's id),
 * `X-Switchboard-Timestamp` (s since the Unix epoch) and `X-Switchboard-Signature`: `sha256=` and the HMAC-SHA256, in
 * hex, of timestamp, `.` and body under the secret.
 *
 * The answer's status tells what became of it: 2xx or 409 (it is there already) `sent`; any other 4xx `refused`, but 408,
 * 425 and 429, and whatever else there is, may be tried again, not before `Retry-After`.
 */
export class Webhook implements Channel {
  readonly name: string;
  readonly afterCrash: Channel["afterCrash"];
  readonly expireMs: number;
  readonly stopWords: readonly string[];
  readonly #url: URL;
  readonly #secret: string;
  readonly #clock: Clock;

  constructor(name: string, config: WebhookConfig, clock: Clock) {
    this.name = name;
    this.afterCrash = config.after_crash;
    this.expireMs = config.expire_seconds * 1000;
    this.stopWords = config.stop_words;
    this.#url = new URL(config.url);
    this.#secret = config.secret;
    this.#clock = clock;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  send(reply: OutboundReply, idempotencyKey: string, signal: AbortSignal): Promise<SendResult> {
    const body = JSON.stringify({ reply });
    const timestamp = String(Math.floor(this.#clock.now() / 1000));
    const request = (this.#url.protocol === "https:" ? https : http).request(this.#url, {
      method: "POST",
      agent: false,
      signal,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "idempotency-key": idempotencyKey,
        "x-switchboard-timestamp": timestamp,
        "x-switchboard-signature": signatureOf(this.#secret, timestamp, body),
      },
    });
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    let connected = false;
    const stopWaiting = this.#clock.after(connectMs, () => {
      request.destroy(new Error(`no connection within ${connectMs / 1000} s`));
    });
    request.on("socket", (socket) => {
      socket.once(this.#url.protocol === "https:" ? "secureConnect" : "connect", () => {
        connected = true;
        stopWaiting();
      });
    });
    request.on("response", (response) => {
      resolve(resultOf(response, this.#clock.now()));
      // The status is all there is to know: a body, however long, is not waited for.
      response.destroy();
    });
    request.on("error", (error) => {
      stopWaiting();
      const reason = failureOf(error);
      resolve(connected ? { kind: "unknown", reason } : { kind: "refused", reason, retry: true });
    });
    request.end(body);
    return promise;
  }
}

/** Statuses of the 4xx that speak about this moment and not about the reply. */
const passing = [408, 425, 429];

function resultOf({ statusCode = 0, headers }: http.IncomingMessage, now: number): SendResult {
  if ((statusCode >= 200 && statusCode < 300) || statusCode === 409) return { kind: "sent" };
  const reason = `The webhook answered with status ${statusCode}.`;
  if (statusCode >= 400 && statusCode < 500 && !passing.includes(statusCode)) {
    return { kind: "refused", reason, retry: false };
  }
  return { kind: "refused", reason, retry: true, afterMs: retryAfterMs(headers["retry-after"], now) };
}

/** Seconds or a date (RFC 9110, 10.2.3); 0 for what is neither. */
function retryAfterMs(text: string | undefined, now: number): number {
  if (text === undefined) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** An error of several addresses has no message of its own. */
function failureOf(error: NodeJS.ErrnoException): string {
  return `The webhook could not be called: ${error.message || error.code}.`;
}
