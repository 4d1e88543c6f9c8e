/**
 * What an answer of the model's API, or its absence, means for the line and for the request that met it. Pure.
 *
 * Trouble is only what is no fault of the request: it holds for every process of the credential. A refusal, a bad
 * request and an unknown model pass, and fail their own message.
 */
import type { IncomingHttpHeaders } from "node:http";
import { readError } from "./api-error.ts";

/** How an attempt ended, other than by an answer. `body` may be cut: only an error in the API's shape is read of it. */
export type Evidence =
  | { status: number; headers: IncomingHttpHeaders; body: string }
  /** The connection failed, or went silent; the code is the system's, e.g. `ECONNREFUSED`. */
  | { broke: string };

/** `message` is the API's own text, for operators: it is never shown to a contact. */
export type TroubleVerdict =
  /** Worth another try soon, but not before `retryAfterMs` (0: the API named no time). */
  | { kind: "transient"; retryAfterMs: number; message: string }
  /** A usage limit; `until` in ms since the Unix epoch. */
  | { kind: "limit"; until: number; message: string }
  /** The credential is refused. */
  | { kind: "authentication"; message: string }
  /** Nobody pays for it. */
  | { kind: "billing"; message: string };

export type Verdict = { kind: "pass" } | TroubleVerdict;

/** ms. What asks for more patience than this is a limit: nobody waits for it in a conversation. */
const transientMs = 60_000;

/** ms. Limits are of hours, days or a month; a time beyond that is a mistake of whoever named it. */
const longestLimitMs = 32 * 24 * 3_600_000;

const transientStatuses = [408, 429, 500, 502, 503, 504, 529];

/** `now`: wall time in ms, that the times in headers are measured against. */
export function classify(evidence: Evidence, now: number): Verdict {
  if ("broke" in evidence) {
    return { kind: "transient", retryAfterMs: 0, message: `no answer: ${evidence.broke}` };
  }
  const { status, headers, body } = evidence;
  if (status < 400) return { kind: "pass" };
  const error = readError(body);
  const message = error?.message ?? `HTTP status ${status}`;

  if (error?.type === "billing_error" || status === 402) return { kind: "billing", message };
  if (status === 400) return ofBadRequest(message, now);
  if (status === 401) return { kind: "authentication", message };
  if (status === 403) {
    // Any other is a word about this one request: a proxy's, a filter's, or that the credential may not use this model.
    const ours =
      error?.type === "authentication_error" ||
      (error?.type === "permission_error" && /\b(?:organi[sz]ation|workspace|account)\b/i.test(message));
    return ours ? { kind: "authentication", message } : { kind: "pass" };
  }
  if (!transientStatuses.includes(status)) return { kind: "pass" };

  const retryAt = retryAfter(headers["retry-after"], now);
  if (status !== 429) {
    const retryAfterMs = Math.min(retryAt - now, transientMs);
    return { kind: "transient", retryAfterMs, message };
  }
  const until = Math.max(retryAt, exhaustedUntil(headers));
  if (until - now > transientMs) return limit(until, message, now);
  return { kind: "transient", retryAfterMs: retryAt - now, message };
}

/** Two states of an account come as a bad request, and only their words tell them from one. */
function ofBadRequest(message: string, now: number): Verdict {
  if (/\bcredit balance\b/i.test(message)) return { kind: "billing", message };
  const regained = /\busage limits\b.*\bregain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC/is.exec(
    message,
  );
  if (regained === null) return { kind: "pass" };
  const until = Date.parse(`${regained[1]}T${regained[2]}Z`);
  return Number.isNaN(until) || until <= now ? { kind: "pass" } : limit(until, message, now);
}

function limit(until: number, message: string, now: number): Verdict {
  return { kind: "limit", until: Math.min(until, now + longestLimitMs), message };
}

/** Seconds, or an HTTP date; `now` when it names neither. */
function retryAfter(value: string | undefined, now: number): number {
  if (value === undefined) return now;
  const at = /^\s*\d+(\.\d+)?\s*$/.test(value) ? now + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? now : Math.max(at, now);
}

const prefix = "anthropic-ratelimit-";

/** When the last of the windows that are used up begins anew, in ms; 0 when none is. */
function exhaustedUntil(headers: IncomingHttpHeaders): number {
  const times = Object.entries(headers).flatMap(([name, value]) => {
    const window =
      name.startsWith(prefix) && name.endsWith("-reset") ? name.slice(0, -"-reset".length) : null;
    if (window === null || typeof value !== "string" || hasRoom(window, headers)) return [];
    const at = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value);
    return Number.isNaN(at) ? [] : [at];
  });
  return Math.max(0, ...times);
}

/** Resets are told of every window, and a request is refused for one of them. */
function hasRoom(window: string, headers: IncomingHttpHeaders): boolean {
  const status = headers[`${window}-status`];
  if (status !== undefined) return status !== "rejected";
  const remaining = headers[`${window}-remaining`];
  return remaining !== undefined && Number(remaining) > 0;
}
