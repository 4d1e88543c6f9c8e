/**
 * How the receiver of a webhook knows that a reply comes from here, as it was sent and just now: both sides of it. Pure.
 *
 * Signed are the time and the body, and nothing else. So what `Idempotency-Key` says is for those who trust their network;
 * everybody else tells doubles by the reply's id, which stands in the body and is the same.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { SwitchboardError } from "../errors.ts";
import type { OutboundReply } from "./channel.ts";

/** In characters. */
export const leastSecret = 16;

/** ms. */
const defaultToleranceMs = 5 * 60_000;

/** A request of a webhook, as it came in. */
export interface WebhookRequest {
  /** Names in lower case, as `node:http` gives them; of a `Request` of fetch, `Object.fromEntries(request.headers)`. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Byte for byte: JSON that was parsed and written anew has another signature. */
  body: Uint8Array | string;
}

/** `reason` is for the receiver's log: whoever forged the request is better told nothing but 401. */
export type WebhookVerdict = { kind: "genuine"; reply: OutboundReply } | { kind: "refused"; reason: string };

/** The value of `X-Switchboard-Signature`. `timestamp`: s since the Unix epoch, as in `X-Switchboard-Timestamp`. */
export function signatureOf(secret: string, timestamp: string, body: Uint8Array | string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex")}`;
}

/**
 * Whether a request comes from a Switchboard whose webhook has this secret, and the reply that it brings. Each attempt is
 * signed anew, so one that is older than the tolerance is somebody's recording; within it a recording is told by `reply.id`,
 * like an attempt that is made again.
 *
 * `toleranceMs`: between the sender's clock and this one, both ways; default 5 min. `now`: ms since the Unix epoch, default the
 * time. Error: `invalid_request` for a secret that no webhook can have.
 *
 * @example
 * const verdict = verifyWebhook({ headers: request.headers, body: await buffer(request) }, secret);
 * if (verdict.kind === "refused") return response.writeHead(401).end();
 */
export function verifyWebhook(
  { headers, body }: WebhookRequest,
  secret: string,
  { toleranceMs = defaultToleranceMs, now = Date.now() }: { toleranceMs?: number; now?: number } = {},
): WebhookVerdict {
  // What is missing in an environment comes as an empty text, under which anybody can sign.
  if (secret.length < leastSecret) {
    throw new SwitchboardError(
      "invalid_request",
      `secret: must be a text of at least ${leastSecret} characters`,
      {
        field: "secret",
        hint: "It is the `secret` of the webhook in switchboard.toml.",
      },
    );
  }
  const timestamp = headers["x-switchboard-timestamp"];
  const signature = headers["x-switchboard-signature"];
  if (typeof timestamp !== "string" || typeof signature !== "string") return refused("It is not signed.");
  if (!isSame(signature, signatureOf(secret, timestamp, body))) {
    return refused("It is signed under another secret, or not as it came.");
  }
  const ageMs = now - Number(timestamp) * 1000;
  // Written so that a time that is no number is refused too.
  if (!(Math.abs(ageMs) <= toleranceMs)) {
    const s = Math.round(Math.abs(ageMs) / 1000);
    return refused(`It was signed ${s} s ${ageMs > 0 ? "ago" : "ahead of this clock"}.`);
  }
  const { reply } = JSON.parse(Buffer.from(body).toString()) as { reply: OutboundReply };
  return { kind: "genuine", reply };
}

/** In a time that tells nothing about where they differ. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function refused(reason: string): WebhookVerdict {
  return { kind: "refused", reason };
}
