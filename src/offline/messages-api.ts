/**
 * The part of the Messages API that the offline model speaks: what it reads of a request, what it may answer.
 * Requests are read loosely: unknown fields pass, because the CLI's requests grow with each version.
 */
import { z } from "zod";

const contentBlock = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  content: z.unknown().optional(),
});

/** A string, or a list of blocks. The CLI uses both for the same turn: blocks while it is the newest, later a string. */
const content = z.union([z.string(), z.array(contentBlock)]);

/**
 * The body of `POST /v1/messages` and of `POST /v1/messages/count_tokens`.
 * Measured with CLI 2.1.330: to the models of the 5 series it also sends messages with the role `system`,
 * the last of which can stand behind the newest user message.
 */
export const messagesRequest = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.enum(["user", "assistant", "system"]), content })).min(1),
  system: z.unknown().optional(),
  tools: z.unknown().optional(),
  stream: z.boolean().optional(),
});

export type ContentBlock = z.infer<typeof contentBlock>;
export type MessagesRequest = z.infer<typeof messagesRequest>;

/** Why the model stopped. */
export type StopReason =
  | "end_turn"
  | "max_tokens"
  | "stop_sequence"
  | "tool_use"
  | "pause_turn"
  | "refusal"
  | "model_context_window_exceeded";

/** The API's error types, with the HTTP status each belongs to. */
export const statusOf = {
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

export type ErrorType = keyof typeof statusOf;

/** About four characters a token, as for English text. Binary data (images, documents) is not counted by its length. */
export function countTokens(value: unknown): number {
  const text = JSON.stringify(value, (key, inner: unknown) => (key === "data" ? "" : inner)) ?? "";
  return Math.ceil(text.length / 4);
}
