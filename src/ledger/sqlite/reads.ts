/** The calls that change nothing. Every one finds its rows by an index; none walks a table. */

import { type Chat, LedgerError, type Message, type ToolCall, type Try, type Work } from "../ledger.ts";
import { readApproval, readPendingApprovals } from "./approvals.ts";
import type { Database } from "./database.ts";
import { lastEventSeq, readEvents } from "./events.ts";
import { readForgottenSpaces } from "./forget.ts";
import { readPending, readPendingChat } from "./pending.ts";
import type { Reads } from "./protocol.ts";
import { readRollups } from "./rollups.ts";
import {
  type ApprovalRow,
  approvalOf,
  type ChatRow,
  chatOf,
  isOpen,
  isToSend,
  isUndelivered,
  type MessageRow,
  messageOf,
  type ProcessRow,
  portableOf,
  processOf,
  type ReplyRow,
  replyOf,
  type SessionRow,
  selectChat,
  selectCurrentSession,
  selectMessage,
  selectToolCall,
  type ToolCallRow,
  type TryRow,
  type TurnRow,
  toolCallOf,
  tryOf,
  turnOf,
} from "./rows.ts";
import { readAllowances, readChatSpending, readSpending } from "./spending.ts";

export function createReads(db: Database): Reads {
  return {
    chat: (chatId) => readChat(db, chatId),

    chats({ after, limit }) {
      const rows = db.all<ChatRow>(
        `${selectChat} WHERE (active_at, chat_id) < (?, ?) ORDER BY active_at DESC, chat_id DESC LIMIT ?`,
        ...parseCursor(after),
        checkedLimit(limit),
      );
      const last = rows.at(-1);
      return {
        chats: rows.map((row) => joinSession(db, row)),
        next: last === undefined || rows.length < limit ? null : `${last.active_at} ${last.chat_id}`,
      };
    },

    portableChats: (after, limit) =>
      db
        .all<ChatRow & { sdk_session_id: string | null }>(
          `SELECT chats.*, 0 AS open, sdk_session_id FROM chats
           LEFT JOIN sessions ON sessions.chat_id = chats.chat_id AND put_aside IS NULL
           WHERE chats.chat_id > ? ORDER BY chats.chat_id LIMIT ?`,
          after,
          checkedLimit(limit),
        )
        .map((row) => portableOf(row)),

    message(id) {
      const row = db.get<MessageRow>(`${selectMessage} WHERE id = ?`, id);
      return row === undefined ? null : joinReply(db, row);
    },

    attachmentData: (messageId) =>
      db
        .all<{ data: Uint8Array }>(
          "SELECT data FROM attachment_data WHERE message_id = ? ORDER BY place",
          messageId,
        )
        .map(({ data }) => data),

    history(chatId, { after = 0, before = Number.MAX_SAFE_INTEGER, order = "oldest", limit }) {
      const page = [chatId, after, before, checkedLimit(limit)] as const;
      const direction = order === "oldest" ? 1 : -1;
      const where = `WHERE chat_id = ? AND seq > ? AND seq < ? ORDER BY seq ${direction === 1 ? "ASC" : "DESC"} LIMIT ?`;
      const messages = db
        .all<MessageRow>(`${selectMessage} ${where}`, ...page)
        .map((row) => joinReply(db, row));
      const replies = db.all<ReplyRow>(`SELECT * FROM replies ${where}`, ...page).map(replyOf);
      return [...messages, ...replies].sort((a, b) => direction * (a.seq - b.seq)).slice(0, limit);
    },

    openMessages: (chatId) =>
      db
        .all<MessageRow>(`${selectMessage} WHERE chat_id = ? AND ${isOpen} ORDER BY seq`, chatId)
        .map((row) => ({
          message: messageOf(row, undefined),
          tries: readTries(db, row.id),
        })),

    works: (messageIds) => messageIds.map((messageId) => readWork(db, messageId)),

    acceptTimes: (chatId, limit) =>
      db
        .all<{ accepted_at: number }>(
          "SELECT accepted_at FROM messages WHERE chat_id = ? ORDER BY seq DESC LIMIT ?",
          chatId,
          checkedLimit(limit),
        )
        .map((row) => row.accepted_at)
        .reverse(),

    chatsWithOpenMessages: (after, limit) =>
      db
        .all<{ chat_id: string }>(
          `SELECT DISTINCT chat_id FROM messages WHERE ${isOpen} AND chat_id > ? ORDER BY chat_id LIMIT ?`,
          after,
          checkedLimit(limit),
        )
        .map((row) => row.chat_id),

    // One host, one file: nobody else can take over, so nothing needs to be kept alive.
    renew: () => ({ leaseMs: null }),

    processes: (chatId, limit) =>
      db
        .all<ProcessRow>(
          "SELECT * FROM processes WHERE chat_id = ? ORDER BY generation DESC LIMIT ?",
          chatId,
          checkedLimit(limit),
        )
        .map(processOf),

    turns: (chatId, limit) =>
      db
        .all<TurnRow>(
          "SELECT * FROM turns WHERE chat_id = ? ORDER BY number DESC LIMIT ?",
          chatId,
          checkedLimit(limit),
        )
        .map((row) => turnOf(row, turnMembers(db, row.number))),

    toolCalls: (chatId, messageIds) =>
      turnsWith(db, chatId, messageIds)
        .flatMap((turn) => db.all<ToolCallRow>(`${selectToolCall} WHERE turn = ?`, turn))
        .sort((a, b) => a.number - b.number)
        .map(toolCallOf),

    spending: (since) => readSpending(db, since),
    chatSpending: (chatId, since) => readChatSpending(db, chatId, since),
    allowances: (day) => readAllowances(db, day),

    rollups: (since) => readRollups(db, since),
    chatCount: () => db.one<{ chats: number }>("SELECT chats FROM meta WHERE id = 1").chats,

    forgottenSpaces: () => readForgottenSpaces(db),
    pendingChat: (chatId) => readPendingChat(db, chatId),
    pendingChats: (limit) => readPending(db, checkedLimit(limit)),

    approval: (id) => readApproval(db, id),
    pendingApprovals: (limit) => readPendingApprovals(db, checkedLimit(limit)),

    channels: () =>
      db
        .all<{ channel: string }>(
          `SELECT channel FROM replies WHERE ${isToSend}
           UNION SELECT channel FROM replies WHERE ${isUndelivered}
           UNION SELECT channel FROM messages WHERE ${isOpen} AND channel IS NOT NULL`,
        )
        .map((row) => row.channel),

    chatsWithReplies: (channel, after, limit) =>
      db
        .all<{ chat_id: string }>(
          `SELECT DISTINCT chat_id FROM replies
           WHERE ${isToSend} AND channel = ? AND chat_id > ? ORDER BY chat_id LIMIT ?`,
          channel,
          after,
          checkedLimit(limit),
        )
        .map((row) => row.chat_id),

    nextReply(channel, chatId) {
      const row = db.get<ReplyRow>(
        `SELECT * FROM replies WHERE ${isToSend} AND channel = ? AND chat_id = ? ORDER BY seq LIMIT 1`,
        channel,
        chatId,
      );
      return row === undefined ? null : replyOf(row);
    },

    failedReplies: (after, limit) =>
      db
        .all<ReplyRow>(
          `SELECT * FROM replies WHERE ${isUndelivered} AND id > ? ORDER BY id LIMIT ?`,
          after,
          checkedLimit(limit),
        )
        .map(replyOf),

    changes: (after, { chatId, limit }) => readEvents(db, after, checkedLimit(limit), chatId),

    lastSeq: () => lastEventSeq(db),
  };
}

export function readChat(db: Database, chatId: string): Chat | null {
  const row = db.get<ChatRow>(`${selectChat} WHERE chat_id = ?`, chatId);
  return row === undefined ? null : joinSession(db, row);
}

function joinSession(db: Database, row: ChatRow): Chat {
  return chatOf(row, db.get<SessionRow>(selectCurrentSession, row.chat_id));
}

export function joinReply(db: Database, row: MessageRow): Message {
  if (row.reply_id === null) return messageOf(row, undefined);
  return messageOf(row, db.get<ReplyRow>("SELECT * FROM replies WHERE id = ?", row.reply_id));
}

function readTries(db: Database, messageId: string): Try[] {
  return db.all<TryRow>("SELECT * FROM tries WHERE message_id = ? ORDER BY n", messageId).map(tryOf);
}

function readWork(db: Database, messageId: string): Work {
  const open = db.get<Pick<MessageRow, "chat_id" | "accepted_at" | "ended_at">>(
    "SELECT chat_id, accepted_at, ended_at FROM messages WHERE id = ?",
    messageId,
  );
  if (open === undefined)
    return { messageId, tries: [], processes: [], turns: [], approvals: [], notices: [], remarks: [] };
  const meanwhile = [open.chat_id, open.accepted_at, open.ended_at ?? Number.MAX_SAFE_INTEGER] as const;
  const tries = readTries(db, messageId);
  const turns = db
    .all<TurnRow>(
      `SELECT turns.* FROM turn_messages JOIN turns ON turns.number = turn WHERE message_id = ?`,
      messageId,
    )
    .sort((a, b) => a.number - b.number);
  return {
    messageId,
    tries,
    processes: [...new Set(tries.map(({ generation }) => generation))].map((generation) =>
      processOf(db.one<ProcessRow>("SELECT * FROM processes WHERE generation = ?", generation)),
    ),
    turns: turns.map((row) => ({
      ...turnOf(row, turnMembers(db, row.number)),
      calls: readCalls(db, row.number),
    })),
    approvals: db
      .all<ApprovalRow>("SELECT * FROM approvals WHERE message_id = ?", messageId)
      .sort((a, b) => a.asked_at - b.asked_at)
      .map(approvalOf),
    notices: db
      .all<ReplyRow>(
        `SELECT * FROM replies
         WHERE kind = 'notice' AND chat_id = ? AND created_at BETWEEN ? AND ? ORDER BY created_at, seq`,
        ...meanwhile,
      )
      .map(replyOf)
      .filter(({ answers }) => answers.includes(messageId)),
    remarks: db
      .all<{ at: number; data: string }>(
        // What stands in the millisecond of its acceptance has come with it: how its contact was changed.
        "SELECT at, data FROM events WHERE type = 'notice' AND chat_id = ? AND at > ? AND at <= ? ORDER BY at, seq",
        ...meanwhile,
      )
      .map(({ at, data }) => ({ at, ...(JSON.parse(data) as { code: string; text: string }) })),
  };
}

/** In the order in which they began. */
function readCalls(db: Database, turn: number): ToolCall[] {
  return db
    .all<ToolCallRow>(`${selectToolCall} WHERE turn = ?`, turn)
    .sort((a, b) => a.number - b.number)
    .map(toolCallOf);
}

/** Ids of the messages that the turn took in, in that order. */
export function turnMembers(db: Database, turn: number): string[] {
  return db
    .all<{ message_id: string }>("SELECT message_id FROM turn_messages WHERE turn = ? ORDER BY n", turn)
    .map((member) => member.message_id);
}

/** Numbers of the chat's turns that took in any of the messages. */
function turnsWith(db: Database, chatId: string, messageIds: readonly string[]): number[] {
  const turns = messageIds.flatMap((id) =>
    db.all<{ turn: number }>(
      `SELECT turn FROM turn_messages JOIN turns ON turns.number = turn
       WHERE message_id = ? AND turns.chat_id = ?`,
      id,
      chatId,
    ),
  );
  return [...new Set(turns.map(({ turn }) => turn))];
}

/** The last row of the page before: a page stays cheap however far in it is. */
function parseCursor(cursor: string | undefined): [activeAt: number, chatId: string] {
  if (cursor === undefined) return [Number.MAX_SAFE_INTEGER, ""];
  const [, activeAt, chatId] = /^(-?\d{1,15}) (.+)$/su.exec(cursor) ?? [];
  if (activeAt === undefined || chatId === undefined) {
    throw new LedgerError("invalid", `"${cursor}" is no cursor of a page of chats.`);
  }
  return [Number(activeAt), chatId];
}

function checkedLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new LedgerError("invalid", `limit must be an integer from 1 to 1000 (found ${limit}).`);
}
