/**
 * How Claude Code composes a request: which of its texts a person sent, and what the others mean.
 * Measured with CLI 2.1.330 / Agent SDK 0.3.330; the wordings are undocumented and stand only here.
 *
 * A person's message arrives in one of two places:
 * - as a text block of a user turn. Messages that waited together share a turn: those sent as blocks keep their own
 *   (a line feed is appended to all but the turn's last block), those sent as strings are joined into one text;
 * - folded into a running turn, quoted after a tool's result: within that result, in a system reminder, or, for models
 *   that take it, in a message of the role `system`.
 * All other text of users and system is the CLI's own.
 */
import { z } from "zod";
import type { MessagesRequest } from "./messages-api.ts";

/** What a conversation consists of, in its order. */
export type Part =
  /** A text that a person sent, with Switchboard's contact facts before it if they came in one text. */
  | { kind: "message"; text: string }
  /** The model's last words of a turn: no tool was called. */
  | { kind: "answer"; text: string }
  /** The turn was interrupted here. */
  | { kind: "interrupted" }
  /** The answer before this was cut by a full output, a broken stream or a filter; the model is asked to go on. */
  | { kind: "cut" }
  /** The model is asked for a summary that takes the place of all before it. */
  | { kind: "compact" }
  /** That summary, in the CLI's frame. */
  | { kind: "compacted"; text: string };

export function parts({ messages }: MessagesRequest): Part[] {
  return messages.flatMap(({ role, content }) => {
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content;
    if (role === "assistant") {
      const calls = blocks.some(({ type }) => type === "tool_use");
      return calls ? [] : [{ kind: "answer", text: blocks.map(({ text }) => text ?? "").join("") }];
    }
    return blocks.flatMap((block, i) => {
      if (block.type === "tool_result") return folded(resultText(block.content));
      const text = (i < blocks.length - 1 ? block.text?.replace(/\n$/, "") : block.text) ?? "";
      return role === "system" || REMINDER.test(text) ? folded(text) : userText(text);
    });
  });
}

function userText(text: string): Part[] {
  if (INTERRUPTED.test(text)) return [{ kind: "interrupted" }];
  if (CUT.test(text)) return [{ kind: "cut" }];
  if (text.startsWith("CRITICAL: Respond with TEXT ONLY. Do NOT call any tools."))
    return [{ kind: "compact" }];
  if (text.startsWith("This session is being continued from a previous conversation"))
    return [{ kind: "compacted", text }];
  return text === "" || MADE_UP.test(text) ? [] : [{ kind: "message", text }];
}

const REMINDER = /^\s*<system-reminder>[\s\S]*<\/system-reminder>\s*$/;
const INTERRUPTED = /^\[Request interrupted by user(?: for tool use)?\]$/;
const CUT = new RegExp(
  [
    "^Output token limit hit\\. Resume directly",
    "^Your response above was (?:cut off mid-stream|stopped by a safety classifier)",
    "^\\[Your previous response had no visible output",
  ].join("|"),
);
const MADE_UP = new RegExp(
  [
    "^Continue from where you left off\\.$",
    "^No response requested\\.$",
    "^\\(no content\\)$",
    "^\\[Image: source: ",
    "^<(?:local-command-caveat|local-command-stdout|local-command-stderr|command-name)>",
  ].join("|"),
);

const FOLD_BEGINS = "The user sent a new message while you were working:\n";
const FOLD_ENDS = "\n\nThis is how Claude Code surfaces messages the user sends mid-turn";

function folded(text: string): Part[] {
  const messages: Part[] = [];
  let end = 0;
  for (;;) {
    const begin = text.indexOf(FOLD_BEGINS, end);
    end = text.indexOf(FOLD_ENDS, begin);
    if (begin < 0 || end < 0) return messages;
    messages.push({ kind: "message", text: text.slice(begin + FOLD_BEGINS.length, end) });
  }
}

const resultBlocks = z.array(z.looseObject({ text: z.string().optional() }));

function resultText(content: unknown): string {
  if (typeof content === "string") return content;
  const blocks = resultBlocks.safeParse(content);
  return blocks.success ? blocks.data.map(({ text }) => text ?? "").join("\n") : "";
}
