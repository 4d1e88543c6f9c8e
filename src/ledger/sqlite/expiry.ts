/**
 * What is kept no longer: messages with everything about them, events, and, told to the caller, conversations that rest.
 * From the oldest on, so that the first that is kept ends the search; a chat in use is left alone. Little at a time, for
 * other writes wait meanwhile.
 */

import type { Expired, Expiry, Session } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import { isOpen } from "./rows.ts";
import { begin } from "./sessions.ts";

/** Chats that one call looks at, and rows that it removes at most. */
const chatsAtOnce = 200;
const eventsAtOnce = 500;
const messagesAtOnce = 100;
/** Pages that one call gives back to the disk: 2 MB. */
const pagesAtOnce = 512;
/** Free pages are taken again by what comes: so many of all, one in ten, may stay. */
const freeShare = 10;

interface ChatRow {
  chat_id: string;
  tier: string;
  active_at: number;
}

export function createExpiryWrites(db: Database): Pick<Writes, "expire" | "removeConversations" | "shrink"> {
  return {
    /** To be carried out with foreign keys off: with them each reply's deletion walks all messages. */
    expire(after, tiers) {
      const expired: Expired = { next: null, messages: 0, events: 0, resting: [] };
      const chats = db.all<ChatRow>(
        "SELECT chat_id, tier, active_at FROM chats WHERE chat_id > ? ORDER BY chat_id LIMIT ?",
        after,
        chatsAtOnce,
      );
      let last = after;
      for (const chat of chats) {
        const expiry = tiers[chat.tier];
        if (expiry !== undefined && !isInUse(db, chat.chat_id)) {
          const whole = expireChat(db, chat, expiry, expired);
          if (!whole) return { ...expired, next: last };
        }
        last = chat.chat_id;
      }
      return { ...expired, next: chats.length < chatsAtOnce ? null : last };
    },

    removeConversations(lease, newSessionId, restingSince) {
      requireLease(db, lease);
      const { chatId } = lease;
      const chat = db.one<ChatRow>("SELECT chat_id, tier, active_at FROM chats WHERE chat_id = ?", chatId);
      const rests = chat.active_at < restingSince && hasConversation(db, chat);
      if (!rests || isInUse(db, chatId)) return null;
      return removeConversations(db, chatId, newSessionId);
    },

    shrink() {
      const { freelist_count: free } = db.one<{ freelist_count: number }>("PRAGMA freelist_count");
      const { page_count: all } = db.one<{ page_count: number }>("PRAGMA page_count");
      const surplus = free - Math.floor(all / freeShare);
      if (surplus <= 0) return false;
      db.exec(`PRAGMA incremental_vacuum(${Math.min(pagesAtOnce, surplus)})`);
      return surplus > pagesAtOnce;
    },
  };
}

function isInUse(db: Database, chatId: string): boolean {
  return (
    db.get(`SELECT 1 FROM messages WHERE chat_id = ? AND ${isOpen}`, chatId) !== undefined ||
    db.get("SELECT 1 FROM processes WHERE ended_at IS NULL AND chat_id = ?", chatId) !== undefined
  );
}

/** Whether nothing of the chat is left that is kept no longer. */
function expireChat(db: Database, chat: ChatRow, expiry: Expiry, expired: Expired): boolean {
  const { messagesBefore, eventsBefore, conversationsBefore } = expiry;
  // No event outlives what it tells of.
  const before = Math.max(eventsBefore ?? 0, messagesBefore ?? 0);
  const events = expireEvents(db, chat.chat_id, before);
  expired.events += events;
  if (events === eventsAtOnce) return false;
  const { rows, messages } =
    messagesBefore === null ? none : expireMessages(db, chat.chat_id, messagesBefore);
  expired.messages += messages;
  if (conversationsBefore !== null && chat.active_at < conversationsBefore && hasConversation(db, chat))
    expired.resting.push({ chatId: chat.chat_id, since: conversationsBefore });
  return rows < messagesAtOnce;
}

const none = { rows: 0, messages: 0 };

/** How many. */
function expireEvents(db: Database, chatId: string, before: number): number {
  const oldest = db.all<{ seq: number; at: number }>(
    "SELECT seq, at FROM events WHERE chat_id = ? ORDER BY seq LIMIT ?",
    chatId,
    eventsAtOnce,
  );
  const due = upTo(oldest, ({ at }) => at >= before);
  for (const { seq } of due) db.run("DELETE FROM events WHERE seq = ?", seq);
  return due.length;
}

interface OldRow {
  id: string;
  seq: number;
  /** Null: it has not ended, or is on its way. */
  ended_at: number | null;
  kind: "message" | "reply";
}

/** Messages and replies up to the first that is kept; `rows`: both together. */
function expireMessages(db: Database, chatId: string, before: number): typeof none {
  const page = [chatId, messagesAtOnce] as const;
  const rows = [
    ...db.all<OldRow>(
      `SELECT id, seq, ended_at, 'message' AS kind FROM messages WHERE chat_id = ? ORDER BY seq LIMIT ?`,
      ...page,
    ),
    ...db.all<OldRow>(
      `SELECT id, seq, iif(status IN ('pending', 'sending'), NULL, created_at) AS ended_at, 'reply' AS kind
       FROM replies WHERE chat_id = ? ORDER BY seq LIMIT ?`,
      ...page,
    ),
  ].sort((a, b) => a.seq - b.seq);
  const due = upTo(rows, ({ ended_at: endedAt }) => endedAt === null || endedAt >= before).slice(
    0,
    messagesAtOnce,
  );
  const messages = due.filter(({ kind }) => kind === "message");
  for (const { id } of messages) removeMessage(db, id);
  for (const { id, kind } of due) if (kind === "reply") db.run("DELETE FROM replies WHERE id = ?", id);
  return { rows: due.length, messages: messages.length };
}

/** Those before the first that is kept. */
function upTo<Row>(rows: readonly Row[], isKept: (row: Row) => boolean): readonly Row[] {
  const kept = rows.findIndex(isKept);
  return kept === -1 ? rows : rows.slice(0, kept);
}

function removeMessage(db: Database, id: string): void {
  const turns = db.all<{ turn: number }>("SELECT turn FROM turn_messages WHERE message_id = ?", id);
  for (const table of ["tries", "approvals", "turn_messages", "attachment_data"])
    db.run(`DELETE FROM ${table} WHERE message_id = ?`, id);
  for (const { turn } of turns) {
    if (db.get("SELECT 1 FROM turn_messages WHERE turn = ?", turn) !== undefined) continue;
    db.run("DELETE FROM tool_calls WHERE turn = ?", turn);
    db.run("DELETE FROM turns WHERE number = ?", turn);
  }
  db.run("DELETE FROM messages WHERE id = ?", id);
}

/** One that was begun after the chat's last sign of life has nothing in it yet. */
function hasConversation(db: Database, { chat_id: chatId, active_at: activeAt }: ChatRow): boolean {
  return (
    db.get(
      "SELECT 1 FROM sessions WHERE chat_id = ? AND put_aside IS NULL AND created_at <= ?",
      chatId,
      activeAt,
    ) !== undefined ||
    db.get("SELECT 1 FROM sessions WHERE chat_id = ? AND put_aside > 0", chatId) !== undefined
  );
}

/** Their rows stay, for turns and processes name them; what Claude knew them by goes. */
function removeConversations(db: Database, chatId: string, newSessionId: string): Session {
  const at = Date.now();
  for (const which of ["put_aside IS NULL", "put_aside > 0"]) {
    db.run(
      `INSERT OR IGNORE INTO forgotten_spaces (session_id, session_name)
       SELECT id, (SELECT session_name FROM chats WHERE chat_id = ?1) FROM sessions WHERE chat_id = ?1 AND ${which}`,
      chatId,
    );
    db.run(
      `UPDATE sessions SET put_aside = -1, ended_at = coalesce(ended_at, ?), sdk_session_id = NULL, told_facts = NULL
       WHERE chat_id = ? AND ${which}`,
      at,
      chatId,
    );
  }
  appendEvent(db, at, chatId, {
    type: "notice",
    code: "conversation_removed",
    text: "The conversation has rested for longer than it is kept. The next message begins another.",
  });
  return begin(db, at, chatId, newSessionId);
}
