/** Who wrote without being known: a bounded list, so that a flood of strangers fills no disk. */

import type { Inbound, PendingChat } from "../ledger.ts";
import type { Database } from "./database.ts";
import type { Writes } from "./protocol.ts";

const most = 1000;

export function createPendingWrites(db: Database): Pick<Writes, "dismissPending"> {
  return { dismissPending: (chatId) => forgetPending(db, chatId) };
}

/** A message of a chat that is not known was refused. */
export function notePending(db: Database, at: number, { chatId, contact, sender, channel }: Inbound): void {
  const name = contact.name ?? sender?.name ?? null;
  const row = db.get<PendingRow>(
    `INSERT INTO pending (chat_id, name, channel, count, first_at, last_at) VALUES (?, ?, ?, 1, ?, ?)
     ON CONFLICT DO UPDATE SET name = coalesce(excluded.name, name), channel = excluded.channel,
       count = count + 1, last_at = excluded.last_at RETURNING *`,
    ...[chatId, name, channel, at, at],
  );
  if (row?.count !== 1) return;
  db.run(
    `DELETE FROM pending WHERE chat_id IN
       (SELECT chat_id FROM pending ORDER BY last_at DESC, chat_id DESC LIMIT -1 OFFSET ?)`,
    most,
  );
}

export function forgetPending(db: Database, chatId: string): boolean {
  return db.run("DELETE FROM pending WHERE chat_id = ?", chatId) > 0;
}

export function readPendingChat(db: Database, chatId: string): PendingChat | null {
  const row = db.get<PendingRow>("SELECT * FROM pending WHERE chat_id = ?", chatId);
  return row === undefined ? null : pendingOf(row);
}

export function readPending(db: Database, limit: number): PendingChat[] {
  return db
    .all<PendingRow>(
      "SELECT * FROM pending WHERE last_at > 0 ORDER BY last_at DESC, chat_id DESC LIMIT ?",
      limit,
    )
    .map(pendingOf);
}

interface PendingRow {
  chat_id: string;
  name: string | null;
  channel: string | null;
  count: number;
  first_at: number;
  last_at: number;
}

function pendingOf({ chat_id, name, channel, count, first_at, last_at }: PendingRow): PendingChat {
  return { chatId: chat_id, name, channel, count, firstAt: first_at, lastAt: last_at };
}
