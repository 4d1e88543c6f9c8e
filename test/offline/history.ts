/**
 * A request's conversation in a form that two requests can be compared by. The CLI writes the same turn differently
 * in later requests: blocks become a string, `cache_control` moves, reminders come and go.
 */
import type { MessagesRequest } from "../../src/offline/messages-api.ts";

export interface Entry {
  role: "user" | "assistant";
  blocks: string[];
}

export function history({ messages }: MessagesRequest): Entry[] {
  return messages.flatMap(({ role, content }) => {
    if (role === "system") return [];
    const blocks = typeof content === "string" ? [{ type: "text", text: content }] : content;
    return [{ role, blocks: blocks.map(plain).filter((block) => block !== "") }];
  });
}

function plain({
  cache_control: _,
  ...block
}: Exclude<MessagesRequest["messages"][number]["content"], string>[number]): string {
  const text = block.type === "text" ? (block.text ?? "") : JSON.stringify(block);
  return text.replaceAll(/\s*<system-reminder>.*?<\/system-reminder>/gs, "").trimEnd();
}
