/** A chat's sessions: one current, the earlier ones kept in the order in which resets put them aside. */

import { LedgerError, type Session } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import { type SessionRow, selectCurrentSession, sessionOf } from "./rows.ts";

export function createSessionWrites(
  db: Database,
): Pick<Writes, "openSession" | "resetSession" | "undoReset"> {
  return {
    openSession(lease, newSessionId) {
      requireLease(db, lease);
      const current = db.get<SessionRow>(selectCurrentSession, lease.chatId);
      return current === undefined ? begin(db, Date.now(), lease.chatId, newSessionId) : sessionOf(current);
    },

    resetSession(lease, newSessionId) {
      requireLease(db, lease);
      const { chatId } = lease;
      const at = Date.now();
      const current = db.get<SessionRow>(selectCurrentSession, chatId);
      const last = lastPutAside(db, chatId)?.put_aside ?? 0;
      const earlier = current === undefined ? null : putAside(db, at, current.id, last + 1);
      const session = begin(db, at, chatId, newSessionId);
      appendEvent(db, at, chatId, {
        type: "notice",
        code: "session_reset",
        text:
          earlier === null
            ? `session ${session.id} begun`
            : `session ${earlier.id} put aside, ${session.id} begun`,
      });
      return { session, earlier };
    },

    undoReset(lease) {
      requireLease(db, lease);
      const { chatId } = lease;
      const at = Date.now();
      const current = db.get<SessionRow>(selectCurrentSession, chatId);
      const last = lastPutAside(db, chatId);
      if (current === undefined || last === undefined) return null;
      // The current one takes the other's place, so that a second undo goes back to it. In this order: at no moment
      // has the chat two current sessions.
      const earlier = putAside(db, at, current.id, last.put_aside);
      const session = sessionOf(
        db.one<SessionRow>(
          "UPDATE sessions SET ended_at = NULL, put_aside = NULL WHERE id = ? RETURNING *",
          last.id,
        ),
      );
      const text = `session ${session.id} brought back, ${earlier.id} put aside`;
      appendEvent(db, at, chatId, { type: "notice", code: "reset_undone", text });
      return { session, earlier };
    },
  };
}

/** `sdkSessionId`: already known for a conversation that came from another host. */
export function begin(
  db: Database,
  at: number,
  chatId: string,
  id: string,
  sdkSessionId: string | null = null,
): Session {
  const row: SessionRow = {
    id,
    chat_id: chatId,
    sdk_session_id: sdkSessionId,
    told_facts: null,
    created_at: at,
    ended_at: null,
    put_aside: null,
  };
  db.insert("sessions", row);
  return sessionOf(row);
}

function putAside(db: Database, at: number, id: string, place: number): Session {
  return sessionOf(
    db.one<SessionRow>(
      "UPDATE sessions SET ended_at = ?, put_aside = ? WHERE id = ? RETURNING *",
      at,
      place,
      id,
    ),
  );
}

function lastPutAside(db: Database, chatId: string): { id: string; put_aside: number } | undefined {
  return db.get(
    // Those of -1 are removed.
    `SELECT id, put_aside FROM sessions WHERE chat_id = ? AND put_aside > 0
     ORDER BY put_aside DESC LIMIT 1`,
    chatId,
  );
}

/** Throws `invalid` when the session is none of the chat. */
export function requireSession(db: Database, chatId: string, id: string): void {
  if (db.get("SELECT 1 FROM sessions WHERE id = ? AND chat_id = ?", id, chatId) !== undefined) return;
  throw new LedgerError("invalid", `Session ${id} is none of chat ${chatId}.`);
}
