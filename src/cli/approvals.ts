/** `approvals`, `approve`, `deny`: tool calls that wait for a person's yes. */

import type { ApprovalView } from "../views.ts";
import type { Client } from "./client.ts";
import { type Cell, type Column, table } from "./layout.ts";
import { ago, columns, dim, printable, printableLine, printJson, printLine, printPainted } from "./print.ts";

export async function approvals(client: Client, { json }: { json?: true }): Promise<void> {
  const list = await client.get<{ approvals: ApprovalView[] }>("/v1/approvals?limit=1000");
  if (json === true) return printJson(list);
  if (list.approvals.length === 0) return printLine("nothing waits for a person's yes");
  printPainted(approvalTable(list.approvals, Date.now(), columns()).join("\n"));
}

/** The id is never cut: `approve` and `deny` ask for it. */
const tableColumns: Column[] = [
  { title: "QUESTION" },
  { title: "CHAT", gives: true },
  { title: "ASKED", spare: 1 },
  { title: "TOOL" },
  { title: "INPUT", gives: true },
];

/** The lines of the table, the titles first. */
export function approvalTable(list: readonly ApprovalView[], now: number, room: number): string[] {
  return table(
    tableColumns,
    list.map(({ id, chatId, askedAt, tool, input }): Cell[] => [
      { text: id },
      { text: printable(chatId) },
      { text: ago(askedAt, now), paint: dim },
      { text: printableLine(tool) },
      { text: printableLine(input) },
    ]),
    room,
  );
}

export async function answer(
  client: Client,
  id: string,
  how: "approve" | "deny",
  { json, by }: { json?: true; by?: string },
): Promise<void> {
  const query = by === undefined ? "" : `?${new URLSearchParams({ by })}`;
  const decided = await client.post<ApprovalView>(`/v1/approvals/${encodeURIComponent(id)}/${how}${query}`);
  if (json === true) return printJson(decided);
  const { state, tool, chatId, input } = decided;
  printLine(`${state}: ${printableLine(tool)} for ${printable(chatId)}: ${printableLine(input)}`);
}
