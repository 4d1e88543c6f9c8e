/**
 * Events: appended in the transaction of the change that they tell of, read in the order of their numbers, which is
 * the order of the commits. An event of a message or a reply keeps what may change later; the rest is joined.
 */

import type { Change, EventMessage, LedgerEvent, Reply } from "../ledger.ts";
import type { Database } from "./database.ts";
import { attachmentsOf, errorOf, type MessageState, type ReplyRow, ranOf, replyOf } from "./rows.ts";

type OwnChange = Exclude<Change, { type: "message" | "reply" }>;
type MessageData = Pick<EventMessage, "status" | "ran" | "tries" | "error" | "replyId">;
type ReplyData = Pick<Reply, "status" | "attempts" | "dueAt" | "pauseMs" | "error">;

export function appendEvent(db: Database, at: number, chatId: string, change: OwnChange): void {
  const { type, ...data } = change;
  insert(db, at, chatId, type, null, data);
}

export function appendMessageEvent(
  db: Database,
  at: number,
  chatId: string,
  messageId: string,
  state: MessageState,
): void {
  const data: MessageData = {
    status: state.status,
    ran: ranOf(state),
    tries: state.tries,
    error: errorOf(state),
    replyId: state.reply_id,
  };
  insert(db, at, chatId, "message", messageId, data);
}

export function appendReplyEvent(db: Database, at: number, reply: Reply): void {
  const { status, attempts, dueAt, pauseMs, error } = reply;
  const data: ReplyData = { status, attempts, dueAt, pauseMs, error };
  insert(db, at, reply.chatId, "reply", reply.id, data);
}

function insert(
  db: Database,
  at: number,
  chatId: string,
  type: Change["type"],
  subject: string | null,
  data: object,
): void {
  db.insert("events", { at, chat_id: chatId, type, subject, data: JSON.stringify(data) });
}

interface EventRow {
  number: number;
  at: number;
  event_chat_id: string;
  type: Change["type"];
  data: string;
}

/** Of an event of a message. */
interface SubjectMessage {
  message_id: string;
  message_external_id: string | null;
  message_seq: number;
  message_text: string;
  message_attachments: string | null;
}

const selectEvents = `
  SELECT e.seq AS number, e.at, e.chat_id AS event_chat_id, e.type, e.data,
    m.id AS message_id, m.external_id AS message_external_id, m.seq AS message_seq, m.text AS message_text,
    m.attachments AS message_attachments, r.*
  FROM events e
    LEFT JOIN messages m ON e.type = 'message' AND m.id = e.subject
    LEFT JOIN replies r ON e.type = 'reply' AND r.id = e.subject
  -- What it tells of may be kept no longer (a reply that was delivered late), and the event soon.
  WHERE (e.subject IS NULL OR m.id IS NOT NULL OR r.id IS NOT NULL)`;

/** Committed events with `seq > after`, in order; `limit` -1: all. */
export function readEvents(
  db: Database,
  after: number,
  limit: number,
  chatId: string | undefined,
): LedgerEvent[] {
  const rows =
    chatId === undefined
      ? db.all<EventRow & SubjectMessage & ReplyRow>(
          `${selectEvents} AND e.seq > ? ORDER BY e.seq LIMIT ?`,
          after,
          limit,
        )
      : db.all<EventRow & SubjectMessage & ReplyRow>(
          `${selectEvents} AND e.chat_id = ? AND e.seq > ? ORDER BY e.seq LIMIT ?`,
          chatId,
          after,
          limit,
        );
  return rows.map((row) => ({ seq: row.number, at: row.at, chatId: row.event_chat_id, ...changeOf(row) }));
}

function changeOf(row: EventRow & SubjectMessage & ReplyRow): Change {
  switch (row.type) {
    case "message": {
      const data: MessageData = JSON.parse(row.data);
      return {
        type: "message",
        message: {
          id: row.message_id,
          externalId: row.message_external_id,
          seq: row.message_seq,
          text: row.message_text,
          attachments: attachmentsOf({ attachments: row.message_attachments }),
          ...data,
        },
      };
    }
    case "reply": {
      // Those of replies that were fetched before there were channels have their status alone: nothing else changed.
      const data: Partial<ReplyData> = JSON.parse(row.data);
      return { type: "reply", reply: { ...replyOf(row), ...data } };
    }
    default:
      return { type: row.type, ...JSON.parse(row.data) };
  }
}

export function lastEventSeq(db: Database): number {
  return db.one<{ seq: number }>("SELECT coalesce(max(seq), 0) AS seq FROM events").seq;
}
