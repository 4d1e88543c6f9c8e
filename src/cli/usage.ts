/** `usage`, `allow-more`: what the model costs, and more of it than the budget. */

import type { RaisedView, SpendingView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { CliError } from "./exit.ts";
import { type Cell, type Column, table } from "./layout.ts";
import { columns, printable, printableLine, printJson, printLine, printPainted } from "./print.ts";

export interface UsageOptions {
  json?: true;
  days: number;
}

export async function usage(
  client: Client,
  chatId: string | undefined,
  options: UsageOptions,
): Promise<void> {
  const path = chatId === undefined ? "/v1/usage" : chatPath(chatId, "/usage");
  const list = await client.get<{ usage: SpendingView[] }>(`${path}?days=${options.days}`);
  if (options.json === true) return printJson(list);
  if (list.usage.length === 0) return printLine("nothing was spent");
  printPainted(usageTable(list.usage, columns()).join("\n"));
}

const tableColumns: Column[] = [
  { title: "DAY" },
  { title: "TIER" },
  { title: "MODEL", gives: true },
  { title: "REQUESTS", spare: 1 },
  { title: "IN", spare: 2 },
  { title: "CACHED", spare: 3 },
  { title: "OUT", spare: 2 },
  { title: "USD" },
];

/** The lines of the table, the titles first; a line for the sum at its end. */
export function usageTable(list: readonly SpendingView[], room: number): string[] {
  const sum = list.reduce((usd, { costUsd }) => usd + costUsd, 0);
  const lines = list.map((row): Cell[] => [
    { text: row.day },
    { text: printableLine(row.tier) },
    { text: printableLine(row.model) },
    { text: String(row.requests) },
    { text: String(row.inputTokens + row.cacheWriteTokens) },
    { text: String(row.cacheReadTokens) },
    { text: String(row.outputTokens) },
    { text: row.costUsd.toFixed(4) },
  ]);
  const total = ["all", "", "", "", "", "", "", sum.toFixed(4)].map((text): Cell => ({ text }));
  return table(tableColumns, list.length > 1 ? [...lines, total] : lines, room);
}

export async function allowMore(
  client: Client,
  usd: number,
  { chat, tier, json }: { chat?: string; tier?: string; json?: true },
): Promise<void> {
  if (chat !== undefined && tier !== undefined)
    throw new CliError("usage", "--chat and --tier exclude each other");
  const raised =
    chat === undefined
      ? await client.post<RaisedView>("/v1/allow-more", { usd, ...(tier !== undefined && { tier }) })
      : await client.post<RaisedView>(chatPath(chat, "/allow-more"), { usd });
  if (json === true) return printJson(raised);
  const whom = chat !== undefined ? printable(chat) : tier !== undefined ? `tier ${tier}` : "all chats";
  printLine(`${usd.toFixed(2)} USD more are allowed to ${whom} on ${raised.day} (UTC)`);
}
