/** The scripted model: what tests have it say, and how they read what it was asked. */
import assert from "node:assert/strict";
import { parts } from "../../src/offline/claude-code.ts";
import {
  type MessagesRequest,
  type OfflineModel,
  type RecordedRequest,
  readConversation,
  type Step,
  userMessages,
} from "../../src/offline/index.ts";
import { within } from "./eventually.ts";

type Turn = MessagesRequest["messages"][number];

/**
 * In a turn whose newest message is `text`, the model plays `steps`, one a request; then it answers by itself.
 * Which one is next is told by the conversation in the request, so a request that is repeated gets the same.
 */
export function script(model: OfflineModel, text: string, ...steps: Step[]): () => void {
  return model.script(({ kind, body }) => {
    if (kind !== "messages") return undefined;
    const begun = body.messages.findLastIndex((turn) => wordsIn(body, turn).length > 0);
    const turn = body.messages[begun];
    if (turn === undefined || wordsIn(body, turn).at(-1) !== text) return undefined;
    return steps[body.messages.slice(begun + 1).filter(({ role }) => role === "assistant").length];
  });
}

/** What people say in a turn of their own; what was folded into a running one is not looked for. */
function wordsIn(body: MessagesRequest, { role, ...turn }: Turn): string[] {
  if (role !== "user") return [];
  const content = blocksOf({ role, ...turn }).filter(
    ({ type, text }) => type === "text" && !text?.startsWith("<system-reminder>"),
  );
  return parts({ ...body, messages: [{ role, content }] }).flatMap((part) =>
    part.kind === "message" ? part.text : [],
  );
}

/** The messages that the request is to be answered for, without contact facts. */
export function open({ body }: RecordedRequest): readonly string[] {
  return readConversation(body).open;
}

/** Fails when one request shows the model a text of a person's twice, wherever it stands. */
export function assertSeenOnce(requests: readonly RecordedRequest[], ...texts: string[]): void {
  for (const { body } of requests) {
    const seen = userMessages(body);
    for (const text of texts) {
      const times = seen.filter((each) => each === text).length;
      assert.ok(times <= 1, `one request shows ${JSON.stringify(text)} ${times} times: ${seen.join(" | ")}`);
    }
  }
}

/** The first request, past or coming, whose newest message is `text`. */
export function requestWith(model: OfflineModel, text: string): Promise<RecordedRequest> {
  const found = model.waitForRequest(
    (request) => request.kind === "messages" && open(request).at(-1) === text,
  );
  return within(`a request whose newest message is ${JSON.stringify(text)}`, found);
}

interface ToolResult {
  text: string;
  failed: boolean;
}

/** What the tool calls gave to the model, oldest first. */
export function toolResults({ body }: RecordedRequest): ToolResult[] {
  return body.messages
    .flatMap(blocksOf)
    .filter(({ type }) => type === "tool_result")
    .map(({ content, is_error }) => ({
      text: typeof content === "string" ? content : JSON.stringify(content),
      failed: is_error === true,
    }));
}

/** What the last tool call gave to the model. */
export function toolResult(request: RecordedRequest): ToolResult {
  const result = toolResults(request).at(-1);
  if (result === undefined) throw new Error("the request holds no tool result");
  return result;
}

/** The names of the tools that the model may call. */
export function toolsIn({ body }: RecordedRequest): string[] {
  const tools: unknown[] = Array.isArray(body.tools) ? body.tools : [];
  return tools
    .flatMap((tool) => (typeof tool === "object" && tool !== null && "name" in tool ? String(tool.name) : []))
    .filter((name) => name !== "DeferredToolPlaceholder") // The CLI's own: it does nothing.
    .sort();
}

function blocksOf({ content }: Turn) {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}
