import type { ServerResponse } from "node:http";

type ErrorType = "authentication_error" | "not_found_error" | "api_error";

/** Answers with an error in the shape of the Messages API, which Claude Code understands. */
export function sendError(response: ServerResponse, status: number, type: ErrorType, message: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ type: "error", error: { type, message } }));
}
