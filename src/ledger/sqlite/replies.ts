/**
 * What goes out: answers and notices, stored with the change that they tell of, and their way through a channel.
 * A reply goes where the first message that it names came from; one that nobody carries is sent with its commit.
 */

import { type Delivery, type Lease, LedgerError, type Notice, type Reply } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendReplyEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import { isToSend, isUndelivered, type MessageRow, type ReplyRow, replyOf } from "./rows.ts";

export function createReplyWrites(db: Database): Pick<Writes, "notify" | "deliver" | "retryReply"> {
  return {
    notify(lease, notices) {
      requireLease(db, lease);
      tellNotices(db, Date.now(), lease, notices);
    },

    deliver(replyId, delivery) {
      const at = Date.now();
      const row = db.get<ReplyRow>(
        `UPDATE replies
         SET status = ?, attempts = attempts + ?, due_at = ?, pause_ms = ?, error_code = ?, error_message = ?
         WHERE id = ? AND ${isToSend} RETURNING *`,
        delivery.status,
        delivery.status === "sending" ? 1 : 0,
        ...changesBy(at, delivery),
        replyId,
      );
      if (row === undefined) {
        throw new LedgerError("invalid", `Reply ${replyId} is none that is pending or being sent.`);
      }
      appendReplyEvent(db, at, replyOf(row));
    },

    retryReply(replyId) {
      const at = Date.now();
      const row = db.get<ReplyRow>(
        `UPDATE replies
         SET status = 'pending', attempts = 0, due_at = ?, pause_ms = 0,
           error_code = CASE status WHEN 'uncertain' THEN error_code END,
           error_message = CASE status WHEN 'uncertain' THEN error_message END
         WHERE id = ? AND ${isUndelivered} RETURNING *`,
        at,
        replyId,
      );
      if (row === undefined) return null;
      const reply = replyOf(row);
      appendReplyEvent(db, at, reply);
      return reply;
    },
  };
}

/** When it is next due, after which pause, and why the last attempt came to nothing. */
function changesBy(
  at: number,
  delivery: Delivery,
): [dueAt: number | null, pauseMs: number | null, code: string | null, message: string | null] {
  switch (delivery.status) {
    case "sending":
    case "sent":
      return [null, null, null, null];
    case "pending": {
      const pauseMs = Math.ceil(delivery.delayMs);
      return [at + pauseMs, pauseMs, delivery.error.code, delivery.error.message];
    }
    case "uncertain":
    case "failed":
      return [null, null, delivery.error.code, delivery.error.message];
  }
}

/** Stores those that are not there yet, each with its event. */
export function tellNotices(db: Database, at: number, lease: Lease, notices: readonly Notice[]): void {
  for (const { id, text, about } of notices) {
    const answers = [...new Set(about)];
    for (const messageId of answers) requireMessage(db, lease.chatId, messageId);
    if (db.get("SELECT 1 FROM replies WHERE id = ?", id) !== undefined) continue;
    appendReplyEvent(db, at, storeReply(db, at, lease.chatId, { id, kind: "notice", text, answers }));
  }
}

/** Stores a reply in the chat's next place; its event is the caller's to append. Throws `invalid` when it names no message. */
export function storeReply(
  db: Database,
  at: number,
  chatId: string,
  { id, kind, text, answers }: Pick<Reply, "id" | "kind" | "text" | "answers">,
): Reply {
  const [first] = answers;
  if (first === undefined) throw new LedgerError("invalid", `Reply ${id} is about no message.`);
  const { channel, route } = db.one<Pick<MessageRow, "channel" | "route">>(
    "SELECT channel, route FROM messages WHERE id = ?",
    first,
  );
  const { seq } = db.one<{ seq: number }>(
    "UPDATE chats SET last_seq = last_seq + 1 WHERE chat_id = ? RETURNING last_seq AS seq",
    chatId,
  );
  const row: ReplyRow = {
    id,
    chat_id: chatId,
    seq,
    kind,
    // What is stored is well-formed; a surrogate that the model's stream left alone is not.
    text: text.toWellFormed(),
    answers: JSON.stringify(answers),
    channel,
    route,
    status: channel === null ? "sent" : "pending",
    attempts: 0,
    due_at: channel === null ? null : at,
    pause_ms: channel === null ? null : 0,
    error_code: null,
    error_message: null,
    created_at: at,
  };
  db.insert("replies", row);
  return replyOf(row);
}

/** Throws `invalid` when the message is none of the chat. */
export function requireMessage(db: Database, chatId: string, id: string): void {
  if (db.get("SELECT 1 FROM messages WHERE id = ? AND chat_id = ?", id, chatId) !== undefined) return;
  throw new LedgerError("invalid", `Message ${id} is none of chat ${chatId}.`);
}
