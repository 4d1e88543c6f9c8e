/**
 * The script by which tests direct the model. A rule decides from the content of the request alone, never by
 * counting requests, so that parallel chats, retries and the CLI's own extra requests do not shift the script.
 */
import type { ErrorType, StopReason } from "./messages-api.ts";
import type { RecordedRequest } from "./requests.ts";

/** How one request is answered. */
export type Step =
  /**
   * A text. `tokens` are the pieces it is streamed in (default: a few, cut between words), `tokenDelayMs` the time
   * between them (default 0). With `hold` the first half of the tokens is sent (one: that one), the rest when the promise resolves.
   * `stopReason` is `end_turn` by default.
   */
  | {
      kind: "text";
      text: string;
      tokens?: readonly string[];
      tokenDelayMs?: number;
      hold?: Promise<unknown>;
      stopReason?: StopReason;
    }
  /** A tool call, with some text before it if given. */
  | { kind: "tool"; name: string; input: object; textBefore?: string }
  /** A message without any content. */
  | { kind: "empty" }
  /** An HTTP error in the API's shape; `headers` are added, e.g. `retry-after`. */
  | { kind: "error"; status: number; type: ErrorType; message: string; headers?: Record<string, string> }
  /** An `error` event after some text (an HTTP error when the request asked for no stream). */
  | { kind: "streamError"; text: string; type: ErrorType; message?: string }
  /** No answer at all, until the client gives up. */
  | { kind: "hang" }
  /** Headers and some text, then silence until the client gives up. */
  | { kind: "stall"; text: string }
  /** The socket is closed: at once, or in mid-stream after some text. */
  | { kind: "reset"; afterText?: string }
  /** Nothing until the promise resolves, then `step`. */
  | { kind: "gate"; until: Promise<unknown>; step: Step };

/** The step for a request, or undefined to leave it to the next rule, and at last to the default answer. */
export type Rule = (request: RecordedRequest) => Step | undefined;
