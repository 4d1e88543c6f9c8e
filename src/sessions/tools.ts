/**
 * The record of tool calls. Each is in the ledger before its tool runs, so that after a crash it is known what may have
 * happened: a call whose outcome nobody saw is `unknown`, and Claude is told so. What a tier marks `once` is not run a
 * second time for the same messages, unless it had failed.
 */

import { createHash } from "node:crypto";
import type { ToolRequest } from "../claude/index.ts";
import type { ToolCall } from "../ledger/index.ts";
import type { Book } from "./book.ts";

/** Characters of a call's input that the ledger keeps. */
const keptInput = 2000;

interface Call {
  call: ToolRequest;
  turnId: string;
  generation: number;
  /** The turn's members. */
  messageIds: string[];
  /** The tier marks the tool so. */
  once: boolean;
}

/** A call that the gate did not let through, for the operator. Resolves with the reason when it is on disk. */
export async function recordDenial(book: Book, { name }: ToolRequest, reason: string): Promise<string> {
  await book.write((ledger, lease) => ledger.append(lease, [denied(`${name} was denied: ${reason}`)]));
  return reason;
}

/** Resolves when it is on disk: null, or why the tool must not run. */
export async function recordCall(book: Book, request: Call): Promise<string | null> {
  const { call, turnId, generation, messageIds, once } = request;
  const { toolUseId, name } = call;
  const { input, digest } = inputOf(call);
  return await book.write(async (ledger, lease) => {
    const earlier = once ? await ledger.toolCalls(lease.chatId, messageIds) : [];
    const denial = whyNot(earlier, digest, generation);
    if (denial === null) {
      const kept = input.slice(0, keptInput);
      await ledger.beginTool(lease, { toolUseId, turnId, name, input: kept, digest });
    } else {
      await ledger.append(lease, [denied(`${name} was not run again: ${denial}`)]);
    }
    return denial;
  });
}

/** As text, and a digest by which two calls are the same. */
export function inputOf({ name, input }: Pick<ToolRequest, "name" | "input">): {
  input: string;
  digest: string;
} {
  const text = JSON.stringify(input) ?? "null";
  return { input: text, digest: createHash("sha256").update(`${name}\0${text}`).digest("hex") };
}

function denied(text: string) {
  return { type: "notice" as const, code: "tool_denied", text };
}

/** Only calls of an earlier process count: within one, Claude sees what its calls have come to. */
export function whyNot(
  earlier: ReadonlyArray<Pick<ToolCall, "digest" | "generation" | "state">>,
  digest: string,
  generation: number,
): string | null {
  const same = earlier.filter((call) => call.digest === digest && call.generation !== generation);
  if (same.some(({ state }) => state === "unknown"))
    return "This very call was begun before a crash, and its outcome is unknown. Find out what it did; it must not be run twice.";
  if (same.some(({ state }) => state === "finished"))
    return "This very call was run to its end before a crash. It must not be run twice.";
  return null;
}

/** For a message whose turn was lost before it reached the transcript: what had been begun in it; null when nothing. */
export function noteOf(calls: ReadonlyArray<Pick<ToolCall, "name" | "input" | "state">>): string | null {
  if (calls.length === 0) return null;
  const lines = calls.map(({ name, input, state }) => `- ${name} ${input.slice(0, 500)}: ${outcomes[state]}`);
  return [
    "Note from Switchboard: a first attempt at this message was cut off by a crash. These tool calls had been begun:",
    ...lines,
    "Check what they did before you repeat them.",
  ].join("\n");
}

const outcomes: Record<ToolCall["state"], string> = {
  started: "outcome unknown",
  unknown: "outcome unknown",
  finished: "done",
  failed: "failed",
};
