/** `sessions`: the chats as they are now, in a table. */

import type { ChatState, ChatView, HostView } from "../views.ts";
import type { Client } from "./client.ts";
import { type Cell, type Column, table } from "./layout.ts";
import {
  ago,
  columns,
  dim,
  green,
  type Paint,
  printable,
  printJson,
  printLine,
  printPainted,
  red,
  yellow,
} from "./print.ts";
import { troubleText } from "./trouble.ts";

/** The most that one call of the API gives. */
const pageSize = 1000;

/** All that a chat's state may be. */
export const chatStates = [
  "starting",
  "idle",
  "busy",
  "closing",
  "dormant",
  "parked",
  "quarantined",
] as const satisfies ChatState[];

export interface SessionsOptions {
  json?: true;
  limit: number;
  state?: ChatState;
}

export interface ChatList {
  chats: ChatView[];
  /** Null when these are all. */
  next: string | null;
}

export async function sessions(client: Client, options: SessionsOptions): Promise<void> {
  const list = await listOf(client, options);
  if (options.json === true) return printJson(list);
  const { trouble } = await client.get<HostView>("/v1/host");
  if (trouble !== null) printPainted(red(printable(troubleText(trouble))));
  if (list.chats.length === 0) return printLine("no chats");
  printPainted(chatTable(list.chats, Date.now(), columns()).join("\n"));
  if (list.next !== null) printLine(`… and more: --limit ${options.limit * 10}`);
}

export async function listOf(
  client: Client,
  { limit, state }: SessionsOptions,
  signal?: AbortSignal,
): Promise<ChatList> {
  const chats: ChatView[] = [];
  let next: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(pageSize, limit - chats.length)) });
    if (state !== undefined) query.set("state", state);
    if (next !== null) query.set("after", next);
    const page = await client.get<ChatList>(`/v1/chats?${query}`, signal);
    chats.push(...page.chats);
    next = page.next;
  } while (next !== null && chats.length < limit);
  return { chats, next };
}

const tableColumns: Column[] = [
  { title: "CHAT", gives: true },
  { title: "NAME", gives: true, spare: 2 },
  { title: "TIER", spare: 3 },
  { title: "STATE" },
  { title: "OPEN" },
  { title: "MEMORY", spare: 4 },
  { title: "LAST MESSAGE", spare: 1 },
];

/** The lines of the table, the titles first. */
export function chatTable(chats: readonly ChatView[], now: number, room: number): string[] {
  return table(
    tableColumns,
    chats.map((chat): Cell[] => [
      { text: printable(chat.chatId) },
      { text: printable(chat.contact.name ?? "") },
      { text: chat.contact.tier },
      { text: chat.state, paint: statePaint[chat.state] },
      { text: String(chat.queued) },
      { text: memory(chat) },
      { text: ago(chat.lastMessageAt, now), paint: dim },
    ]),
    room,
  );
}

export const statePaint: Record<ChatState, Paint> = {
  starting: yellow,
  idle: (text) => text,
  busy: green,
  closing: yellow,
  dormant: dim,
  parked: yellow,
  quarantined: red,
};

function memory({ process }: ChatView): string {
  const bytes = process?.memoryBytes ?? null;
  return bytes === null ? "" : mebibytes(bytes);
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
