/**
 * One message of the model on its way out: as a stream of events, or whole as JSON. A step is played against this
 * one interface, so that both forms of the API say the same.
 */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import {
  countTokens,
  type ErrorType,
  type MessagesRequest,
  type StopReason,
  statusOf,
} from "./messages-api.ts";

export interface MessageWriter {
  /** Adds to the text block, opening one if needed. */
  text(piece: string): void;
  tool(name: string, input: object): void;
  /** Ends the message and the response. */
  end(stopReason: StopReason): void;
  /** Ends the response with an error instead. */
  fail(type: ErrorType, message: string): void;
  /** Leaves the response unfinished; resolves when what was written has left. */
  breakOff(): Promise<void>;
}

export function messageWriter(request: MessagesRequest, response: ServerResponse): MessageWriter {
  return request.stream ? streamed(request, response) : whole(request, response);
}

/** Answers with an error in the API's shape. */
export function sendError(
  response: ServerResponse,
  status: number,
  type: ErrorType,
  message: string,
  headers: Record<string, string> = {},
): void {
  const requestId = newId("req");
  response.writeHead(status, { "content-type": "application/json", "request-id": requestId, ...headers });
  response.end(JSON.stringify({ type: "error", error: { type, message }, request_id: requestId }));
}

function streamed(request: MessagesRequest, response: ServerResponse): MessageWriter {
  const event = (type: string, fields: object = {}) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  let index = -1;
  let textOpen = false;
  let written = 0;
  const closeBlock = () => {
    if (textOpen) event("content_block_stop", { index });
    textOpen = false;
  };

  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "request-id": newId("req"),
  });
  event("message_start", { message: message(request, [], null, 0) });
  event("ping");

  return {
    text(piece) {
      if (!textOpen) {
        index += 1;
        textOpen = true;
        event("content_block_start", { index, content_block: { type: "text", text: "" } });
      }
      event("content_block_delta", { index, delta: { type: "text_delta", text: piece } });
      written += countTokens(piece);
    },
    tool(name, input) {
      closeBlock();
      index += 1;
      const json = JSON.stringify(input);
      const delta = (partial: string) =>
        event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: partial } });
      event("content_block_start", { index, content_block: toolUse(name, {}) });
      delta("");
      delta(json);
      event("content_block_stop", { index });
      written += countTokens(json);
    },
    end(stopReason) {
      closeBlock();
      event("message_delta", {
        delta: { stop_reason: stopReason, stop_sequence: null },
        usage: { output_tokens: written },
      });
      event("message_stop");
      response.end();
    },
    fail(type, text) {
      event("error", { error: { type, message: text } });
      response.end();
    },
    breakOff: () => sent(response, ": \n\n"),
  };
}

function whole(request: MessagesRequest, response: ServerResponse): MessageWriter {
  const content: object[] = [];
  let text = "";
  const closeBlock = () => {
    if (text !== "") content.push({ type: "text", text });
    text = "";
  };
  return {
    text(piece) {
      text += piece;
    },
    tool(name, input) {
      closeBlock();
      content.push(toolUse(name, input));
    },
    end(stopReason) {
      closeBlock();
      response.writeHead(200, { "content-type": "application/json", "request-id": newId("req") });
      response.end(JSON.stringify(message(request, content, stopReason, countTokens(content))));
    },
    fail: (type, text) => sendError(response, statusOf[type], type, text),
    breakOff() {
      response.writeHead(200, { "content-type": "application/json" });
      return sent(response, "{");
    },
  };
}

function message(
  request: MessagesRequest,
  content: readonly object[],
  stopReason: StopReason | null,
  outputTokens: number,
): object {
  return {
    id: newId("msg"),
    type: "message",
    role: "assistant",
    model: request.model,
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: {
      input_tokens: inputTokens(request),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: outputTokens,
    },
  };
}

export function inputTokens({ system, messages, tools }: MessagesRequest): number {
  return countTokens([system, messages, tools]);
}

const toolUse = (name: string, input: object) => ({ type: "tool_use", id: newId("toolu"), name, input });

const newId = (prefix: string) => `${prefix}_${randomUUID().replaceAll("-", "")}`;

const sent = (response: ServerResponse, chunk: string) =>
  new Promise<void>((resolve) => {
    response.write(chunk, () => resolve());
  });
