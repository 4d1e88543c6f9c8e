/** `sessions` and `show`: the chats as they are now. */

import type { ChatState, ChatView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { ago, printable, printJson, printLine, table } from "./print.ts";

/** The most that one call of the API gives. */
const pageSize = 1000;

export interface SessionsOptions {
  json?: true;
  limit: number;
  state?: ChatState;
}

export async function sessions(client: Client, { json, limit, state }: SessionsOptions): Promise<void> {
  const chats: ChatView[] = [];
  let next: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(pageSize, limit - chats.length)) });
    if (state !== undefined) query.set("state", state);
    if (next !== null) query.set("after", next);
    const page = await client.get<{ chats: ChatView[]; next: string | null }>(`/v1/chats?${query}`);
    chats.push(...page.chats);
    next = page.next;
  } while (next !== null && chats.length < limit);
  if (json === true) return printJson({ chats, next });
  if (chats.length === 0) return printLine("no chats");
  const now = Date.now();
  const rows = chats.map((chat) => [
    printable(chat.chatId),
    printable(chat.contact.name ?? ""),
    chat.contact.tier,
    chat.state,
    String(chat.queued),
    ago(chat.lastMessageAt, now),
  ]);
  const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  printLine(table(["CHAT", "NAME", "TIER", "STATE", "OPEN", "LAST MESSAGE"], rows, columns));
  if (next !== null) printLine(`… and more: --limit ${limit * 10}`);
}

export async function show(client: Client, chatId: string, { json }: { json?: true }): Promise<void> {
  const chat = await client.get<ChatView>(chatPath(chatId));
  if (json === true) return printJson(chat);
  const { contact, process: running, usage } = chat;
  const rows = [
    ["chat", chat.chatId],
    ["contact", contact.name ?? "(no name)"],
    ["tier", contact.group ? `${contact.tier}, a group` : contact.tier],
    ["session", `${chat.sessionName}, ${chat.sessionId ?? "not begun yet"}`],
    ["state", chat.state],
    ["process", running === null ? "none" : processText(running)],
    ["open", `${chat.queued} messages`],
    ["last message", chat.lastMessageAt ?? "never"],
    ["since", chat.createdAt],
    [
      "used",
      `${usage.turns} turns, ${usage.inputTokens} tokens in, ${usage.outputTokens} out, $${usage.costUsd.toFixed(4)}`,
    ],
  ];
  for (const [name, value] of rows) printLine(`${name}:`.padEnd(14) + value);
}

function processText({ pid, generation, memoryBytes, since }: NonNullable<ChatView["process"]>): string {
  const memory = memoryBytes === null ? "" : `, ${Math.round(memoryBytes / 2 ** 20)} MiB`;
  return `${pid ?? "starting"}, generation ${generation}${memory}, since ${since}`;
}
