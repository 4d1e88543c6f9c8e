/**
 * What the auditor reads out of a request to the model, on its own: whose words are in it. What contacts wrote stands in
 * turns of the role `user`, as text or, folded into a running turn, beside or inside a tool's result, and in messages of
 * the role `system`. What stands in an assistant's turn is Claude's.
 */

import { noncePattern } from "../evidence.ts";

export interface RequestNonces {
  /** Every occurrence in what contacts wrote, in its order. */
  readonly said: readonly string[];
  /** Those behind Claude's last words: the messages that the request is to be answered for. */
  readonly open: readonly string[];
  /** All there are anywhere in the request, once each. */
  readonly anywhere: readonly string[];
  /** The calls of which a result stands in it that is no error: their tools have run. */
  readonly ran: readonly string[];
}

export function noncesIn(body: Record<string, unknown>): RequestNonces {
  const said: string[] = [];
  const ran: string[] = [];
  let answered = 0;
  for (const message of listOf(body.messages)) {
    const { role, content } = fieldsOf(message);
    if (role === "assistant") {
      // A turn that calls a tool goes on.
      if (!listOf(content).some((block) => fieldsOf(block).type === "tool_use")) answered = said.length;
    } else {
      said.push(...matches(textOf(content)));
      for (const { type, tool_use_id, is_error } of listOf(content).map(fieldsOf))
        if (type === "tool_result" && is_error !== true) ran.push(String(tool_use_id));
    }
  }
  return { said, open: said.slice(answered), anywhere: [...new Set(matches(JSON.stringify(body)))], ran };
}

/** What the daemon tells of a lost try: its own words, though they quote a tool's input. */
const daemonsNote =
  /Note from Switchboard: a first attempt[\s\S]*?Check what they did before you repeat them\.\n?/g;

function textOf(content: unknown): string {
  if (typeof content === "string") return content.replaceAll(daemonsNote, "");
  return listOf(content)
    .map((block) => {
      const { text, content: inner } = fieldsOf(block);
      return typeof text === "string" ? text.replaceAll(daemonsNote, "") : textOf(inner);
    })
    .join("\n");
}

function matches(text: string): string[] {
  return text.match(noncePattern) ?? [];
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
