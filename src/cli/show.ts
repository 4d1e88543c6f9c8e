/** `show`: one chat, and its last messages with what the open ones wait for. */

import type { ChatView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { History } from "./history.ts";
import { latest } from "./log.ts";
import { columns, printable, printJson, printPainted } from "./print.ts";
import { mebibytes, statePaint } from "./sessions.ts";

/** Messages and replies. */
const lastFew = 6;

export async function show(client: Client, chatId: string, { json }: { json?: true }): Promise<void> {
  const chat = await client.get<ChatView>(chatPath(chatId));
  if (json === true) return printJson(chat);
  const { contact, process: running, usage } = chat;
  const rows = [
    ["chat", printable(chat.chatId)],
    ["contact", printable(contact.name ?? "(no name)")],
    ["tier", contact.group ? `${contact.tier}, a group` : contact.tier],
    ["session", `${chat.sessionName}, ${chat.sessionId ?? "not begun yet"}`],
    ["state", statePaint[chat.state](chat.state)],
    ["process", running === null ? "none" : processText(running)],
    ["open", `${chat.queued} ${chat.queued === 1 ? "message" : "messages"}`],
    ["last message", chat.lastMessageAt ?? "never"],
    ["since", chat.createdAt],
    [
      "used",
      `${usage.turns} turns, ${usage.inputTokens} tokens in, ${usage.outputTokens} out, $${usage.costUsd.toFixed(4)}`,
    ],
  ];
  for (const [name, value] of rows) printPainted(`${name}:`.padEnd(14) + value);
  const history = new History({ contact: contact.name ?? chatId, columns });
  const entries = await latest(client, chatId, lastFew);
  if (entries.length > 0) printPainted(`\n${entries.map((entry) => history.entry(entry)).join("\n")}`);
}

function processText({ pid, generation, memoryBytes, since }: NonNullable<ChatView["process"]>): string {
  const memory = memoryBytes === null ? "" : `, ${mebibytes(memoryBytes)}`;
  return `${pid ?? "starting"}, generation ${generation}${memory}, since ${since}`;
}
