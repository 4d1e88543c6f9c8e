/**
 * The rival of the ledger, and the measure of one commit: the rows of an accepted message, written by plain
 * `node:sqlite` to a database of the ledger's own schema and settings. No thread, no checks, nothing read.
 */

import { randomUUID, randomUUIDv7 } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../src/ledger/sqlite/database.ts";
import { sampleText } from "./sample.ts";

export interface PlainSqlite {
  /** Writes the rows of `messages` messages in one transaction; returns the ms that it took. */
  write(messages: number): number;
  close(): void;
}

/** Messages go to `chats` in turn. */
export function openPlainSqlite(path: string, chats: readonly string[]): PlainSqlite {
  openDatabase({ path, busyMs: 0, maxBytes: Number.POSITIVE_INFINITY }).close();
  const db = new DatabaseSync(path);
  db.exec("PRAGMA synchronous = FULL");
  const chat = db.prepare(
    `INSERT INTO chats (chat_id, tier, is_group, session_name, created_at, active_at) VALUES (?, 'family', 0, ?, 0, 0)`,
  );
  for (const chatId of chats) chat.run(chatId, chatId);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const nextSeq = db.prepare(
    `UPDATE chats SET last_seq = last_seq + 1, last_message_at = ?, active_at = ? WHERE chat_id = ?
     RETURNING last_seq AS seq`,
  );
  const message = db.prepare(
    `INSERT INTO messages (id, chat_id, seq, external_id, text, route, status, tries, accepted_at)
     VALUES (?, ?, ?, ?, ?, 'null', 'queued', 0, ?)`,
  );
  const event = db.prepare(
    "INSERT INTO events (at, chat_id, type, subject, data) VALUES (?, ?, 'message', ?, ?)",
  );
  const data = JSON.stringify({ status: "queued", ran: null, tries: 0, error: null, replyId: null });
  let written = 0;

  return {
    write(messages) {
      const begun = performance.now();
      begin.run();
      for (let i = 0; i < messages; i++) {
        const at = Date.now();
        const id = randomUUIDv7();
        const chatId = chats[written++ % chats.length] ?? "";
        const row = nextSeq.get(at, at, chatId);
        message.run(id, chatId, row?.seq ?? null, randomUUID(), sampleText, at);
        event.run(at, chatId, id, data);
      }
      commit.run();
      return performance.now() - begun;
    },
    close: () => db.close(),
  };
}
