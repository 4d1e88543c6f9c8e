/** Forgetting a chat: every row that is about it, and then the bytes that they have left behind. */

import type { ForgottenSpace } from "../ledger.ts";
import type { Database } from "./database.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";

export function createForgetWrites(db: Database): Pick<Writes, "forget" | "spaceGone"> {
  return {
    /** To be carried out alone, foreign keys off: with them each parent's deletion walks its children's whole tables. */
    forget(lease) {
      requireLease(db, lease);
      const { chatId } = lease;
      const { session_name: name } = db.one<{ session_name: string }>(
        "SELECT session_name FROM chats WHERE chat_id = ?",
        chatId,
      );
      // Either way, so that an index is there for it.
      for (const which of ["put_aside IS NULL", "put_aside IS NOT NULL"]) {
        db.run(
          `INSERT OR IGNORE INTO forgotten_spaces (session_id, session_name)
           SELECT id, ? FROM sessions WHERE chat_id = ? AND ${which}`,
          name,
          chatId,
        );
        db.run(`DELETE FROM sessions WHERE chat_id = ? AND ${which}`, chatId);
      }
      const ofTurns = "turn IN (SELECT number FROM turns WHERE chat_id = ?)";
      db.run(`DELETE FROM tool_calls WHERE ${ofTurns}`, chatId);
      db.run(`DELETE FROM turn_messages WHERE ${ofTurns}`, chatId);
      db.run(
        "DELETE FROM attachment_data WHERE message_id IN (SELECT id FROM messages WHERE chat_id = ?)",
        chatId,
      );
      db.run("DELETE FROM tries WHERE message_id IN (SELECT id FROM messages WHERE chat_id = ?)", chatId);
      // What an operator's chat was asked holds the call's input.
      db.run(
        `UPDATE replies SET text = 'A question about a chat that has been forgotten since.' WHERE id IN
           (SELECT id FROM approvals WHERE message_id IN (SELECT id FROM messages WHERE chat_id = ?))`,
        chatId,
      );
      db.run("DELETE FROM approvals WHERE message_id IN (SELECT id FROM messages WHERE chat_id = ?)", chatId);
      for (const table of ["turns", "events", "messages", "replies", "processes"])
        db.run(`DELETE FROM ${table} WHERE chat_id = ?`, chatId);
      for (const table of ["chat_spending", "allowances", "pending", "chats"])
        db.run(`DELETE FROM ${table} WHERE chat_id = ?`, chatId);
      db.run("UPDATE meta SET chats = chats - 1 WHERE id = 1");
      forgetName(db, name);
    },

    spaceGone(sessionId) {
      db.run("DELETE FROM forgotten_spaces WHERE session_id = ?", sessionId);
    },
  };
}

/** The number that the next chat of the name would get tells that there was one; while others have the name it is theirs, too. */
function forgetName(db: Database, name: string): void {
  const base = name.replace(/-\d+$/, "");
  const others =
    db.get("SELECT 1 FROM chats WHERE session_name = ?", base) ??
    db.get("SELECT 1 FROM chats WHERE session_name > ? AND session_name < ?", `${base}-`, `${base}.`);
  if (others === undefined) db.run("DELETE FROM session_names WHERE base IN (?, ?)", base, name);
}

export function readForgottenSpaces(db: Database): ForgottenSpace[] {
  return db
    .all<{ session_id: string; session_name: string }>(
      "SELECT * FROM forgotten_spaces WHERE session_id > '' ORDER BY session_id",
    )
    .map((row) => ({ sessionId: row.session_id, sessionName: row.session_name }));
}
