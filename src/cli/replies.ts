/** `failed`, `retry`: replies that their channel did not get out, and another chance for them. */

import type { DeliveryView } from "../views.ts";
import type { Client } from "./client.ts";
import { type Cell, type Column, table } from "./layout.ts";
import {
  ago,
  columns,
  dim,
  printable,
  printableLine,
  printJson,
  printLine,
  printPainted,
  red,
  yellow,
} from "./print.ts";

/** The most that one call of the API gives. */
const pageSize = 1000;

export interface DeliveryList {
  deliveries: DeliveryView[];
  /** Null when these are all. */
  next: string | null;
}

export interface FailedOptions {
  json?: true;
  limit: number;
}

export async function failed(client: Client, options: FailedOptions): Promise<void> {
  const list = await failedOf(client, options.limit);
  if (options.json === true) return printJson(list);
  if (list.deliveries.length === 0) return printLine("no failed replies");
  printPainted(deliveryTable(list.deliveries, Date.now(), columns()).join("\n"));
  if (list.next !== null) printLine(`… and more: --limit ${options.limit * 10}`);
}

/** Oldest first. */
async function failedOf(client: Client, limit: number): Promise<DeliveryList> {
  const deliveries: DeliveryView[] = [];
  let next: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(pageSize, limit - deliveries.length)) });
    if (next !== null) query.set("after", next);
    const page: DeliveryList = await client.get<DeliveryList>(`/v1/replies/failed?${query}`);
    deliveries.push(...page.deliveries);
    next = page.next;
  } while (next !== null && deliveries.length < limit);
  return { deliveries, next };
}

/** The id is never cut: `retry` asks for it. */
const tableColumns: Column[] = [
  { title: "REPLY" },
  { title: "CHAT", gives: true },
  { title: "CHANNEL", spare: 2 },
  { title: "STATUS" },
  { title: "ATTEMPTS", spare: 3 },
  { title: "MADE", spare: 1 },
  { title: "WHY", gives: true },
];

/** The lines of the table, the titles first. */
export function deliveryTable(deliveries: readonly DeliveryView[], now: number, room: number): string[] {
  return table(
    tableColumns,
    deliveries.map(({ id, chatId, channel, status, attempts, createdAt, error }): Cell[] => [
      { text: id },
      { text: printable(chatId) },
      { text: channel ?? "" },
      { text: status, paint: status === "failed" ? red : yellow },
      { text: String(attempts) },
      { text: ago(createdAt, now), paint: dim },
      { text: printableLine(error?.message ?? "") },
    ]),
    room,
  );
}

export async function retry(client: Client, replyId: string, { json }: { json?: true }): Promise<void> {
  const reply = await client.post<DeliveryView>(`/v1/replies/${encodeURIComponent(replyId)}/retry`);
  if (json === true) return printJson(reply);
  printLine(
    `to be sent again: ${reply.id} to ${reply.chatId}${reply.channel === null ? "" : ` by ${reply.channel}`}`,
  );
}
