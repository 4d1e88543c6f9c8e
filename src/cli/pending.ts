/** `pending`, `admit`, `dismiss`: chats that wrote without being known. */

import type { ChatView, PendingView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { type Cell, type Column, table } from "./layout.ts";
import { ago, columns, dim, printable, printableLine, printJson, printLine, printPainted } from "./print.ts";

export async function pending(client: Client, { json }: { json?: true }): Promise<void> {
  const list = await client.get<{ pending: PendingView[] }>("/v1/pending?limit=1000");
  if (json === true) return printJson(list);
  if (list.pending.length === 0) return printLine("nobody waits to be admitted");
  printPainted(pendingTable(list.pending, Date.now(), columns()).join("\n"));
}

/** The chat is never cut: `admit` asks for it. */
const tableColumns: Column[] = [
  { title: "CHAT" },
  { title: "NAME", gives: true },
  { title: "CHANNEL", spare: 2 },
  { title: "REFUSED" },
  { title: "LAST", spare: 1 },
];

/** The lines of the table, the titles first. */
export function pendingTable(list: readonly PendingView[], now: number, room: number): string[] {
  return table(
    tableColumns,
    list.map(({ chatId, name, channel, count, lastAt }): Cell[] => [
      { text: printable(chatId) },
      { text: printableLine(name ?? "") },
      { text: channel ?? "" },
      { text: String(count) },
      { text: ago(lastAt, now), paint: dim },
    ]),
    room,
  );
}

export async function admit(
  client: Client,
  chatId: string,
  { tier, name, json }: { tier: string; name?: string; json?: true },
): Promise<void> {
  const body = { tier, ...(name !== undefined && { name }) };
  const chat = await client.post<ChatView>(chatPath(chatId, "/admit"), body);
  if (json === true) return printJson(chat);
  const called = chat.contact.name === null ? "" : ` (${printableLine(chat.contact.name)})`;
  printLine(`admitted: ${printable(chatId)}${called} as ${chat.contact.tier}; the next message is accepted`);
}

export async function dismiss(client: Client, chatId: string, { json }: { json?: true }): Promise<void> {
  const dismissed = await client.post<PendingView>(chatPath(chatId, "/dismiss"));
  if (json === true) printJson(dismissed);
  else printLine(`off the list until it writes again: ${printable(chatId)}`);
}
