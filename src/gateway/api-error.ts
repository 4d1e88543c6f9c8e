/** Errors in the shape of the Messages API, which Claude Code understands: as a response and as an event of a stream. */
import { z } from "zod";

/** The API's error types, with the HTTP status each belongs to. */
const statuses = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
} as const;

export type ErrorType = keyof typeof statuses;

export interface ApiError {
  /** An {@link ErrorType}, or one that is newer than this list. */
  readonly type: string;
  readonly message: string;
}

const errorSchema = z.object({
  type: z.literal("error"),
  error: z.object({ type: z.string(), message: z.string() }),
});

/** The error in a body or an event's data; null when it holds none in the API's shape. */
export function readError(json: string): ApiError | null {
  try {
    return errorSchema.safeParse(JSON.parse(json)).data?.error ?? null;
  } catch {
    return null;
  }
}

/** Of an error that comes as an event, so without a status of its own. */
export function statusOf({ type }: ApiError): number {
  return Object.entries(statuses).find(([name]) => name === type)?.[1] ?? 500;
}

export function errorJson(type: ErrorType, message: string): string {
  return JSON.stringify({ type: "error", error: { type, message } });
}
