/**
 * Every error leaves the API in one shape and by one table: the code decides the status.
 * What is not an error of ours is a defect: logged in full, answered without its text.
 */

import { HTTPException } from "hono/http-exception";
import { type ErrorCode, SwitchboardError } from "../errors.ts";
import type { Logger } from "../log.ts";

export type ApiErrorCode =
  | ErrorCode
  | "invalid_json"
  | "unsupported_media_type"
  | "unauthorized"
  | "foreign_host"
  | "foreign_origin"
  | "method_not_allowed"
  /** The daemon has its address, but is still opening its home. */
  | "starting"
  | "internal";

const statuses = {
  invalid_request: 400,
  invalid_json: 400,
  invalid_chat_id: 400,
  invalid_text: 400,
  invalid_attachment: 400,
  invalid_registry: 400,
  unknown_tier: 400,
  unauthorized: 401,
  refused_contact: 403,
  foreign_host: 403,
  foreign_origin: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  busy: 409,
  too_large: 413,
  unsupported_media_type: 415,
  overloaded: 429,
  rate_limited: 429,
  // A file of the daemon's, not what was sent.
  invalid_config: 422,
  // Only a start can meet it, never a request.
  home_in_use: 500,
  internal: 500,
  storage_failed: 503,
  storage_full: 503,
  storage_busy: 503,
  draining: 503,
  starting: 503,
} satisfies Record<ApiErrorCode, number>;

/** Seconds after which the same request may succeed. */
const retryAfter: Partial<Record<ApiErrorCode, number>> = {
  overloaded: 10,
  rate_limited: 10,
  storage_failed: 30,
  storage_full: 30,
  storage_busy: 5,
  draining: 5,
  starting: 1,
};

export interface ApiErrorBody {
  error: { code: string; message: string; field?: string; hint?: string };
}

interface Details {
  field?: string | undefined;
  hint?: string | undefined;
  headers?: Record<string, string>;
}

/** An error that only the HTTP face can meet. */
export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly details: Details;

  constructor(code: ApiErrorCode, message: string, details: Details = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.details = details;
  }
}

export function statusOf(code: ApiErrorCode): number {
  return statuses[code];
}

/** The answer to any thrown value. */
export function errorResponse(thrown: unknown, log: Logger): Response {
  const { code, message, details } = apiError(thrown);
  if (code === "internal") log.error({ err: thrown }, "request failed");
  const { field, hint, headers } = details;
  const body: ApiErrorBody = {
    error: {
      code,
      message,
      ...(field === undefined ? {} : { field }),
      ...(hint === undefined ? {} : { hint }),
    },
  };
  const seconds = retryAfter[code];
  return Response.json(body, {
    status: statuses[code],
    headers: { ...(seconds === undefined ? {} : { "retry-after": String(seconds) }), ...headers },
  });
}

function apiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (thrown instanceof SwitchboardError) {
    return new ApiError(thrown.code, thrown.message, { field: thrown.field, hint: thrown.hint });
  }
  if (thrown instanceof HTTPException && thrown.status === 415) return unsupportedMediaType();
  return new ApiError("internal", "something went wrong; the daemon's log says what");
}

export function unsupportedMediaType(): ApiError {
  return new ApiError("unsupported_media_type", "the body must be JSON", {
    hint: "Send it with the header content-type: application/json.",
  });
}
