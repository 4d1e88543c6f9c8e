/** Turns. The end of one is a single transaction: its messages, their tries, the reply, what it proved and cost. */

import { type Lease, LedgerError, type Reply, type TurnEnd } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent, appendReplyEvent } from "./events.ts";
import { answerMessage, endMessage, endTry } from "./messages.ts";
import { requireLease } from "./ownership.ts";
import { requireProcess } from "./processes.ts";
import type { Writes } from "./protocol.ts";
import { turnMembers } from "./reads.ts";
import { requireMessage, storeReply, tellNotices } from "./replies.ts";
import { countTurn } from "./rollups.ts";
import { isOpen } from "./rows.ts";
import { requireSession } from "./sessions.ts";
import { endLeftTools } from "./tools.ts";

export function createTurnWrites(
  db: Database,
): Pick<Writes, "beginTurn" | "joinTurn" | "endTurn" | "append"> {
  return {
    beginTurn(lease, { id, sessionId, generation, messageIds }) {
      requireLease(db, lease);
      const { chatId } = lease;
      const at = Date.now();
      requireSession(db, chatId, sessionId);
      requireProcess(db, chatId, generation);
      const turn = db.insert("turns", {
        id,
        chat_id: chatId,
        session_id: sessionId,
        generation,
        started_at: at,
      });
      const joined = addMembers(db, chatId, turn, messageIds);
      appendEvent(db, at, chatId, { type: "turn", turnId: id, state: "started", messageIds: joined });
    },

    joinTurn(lease, turnId, messageIds) {
      requireLease(db, lease);
      const { chatId } = lease;
      const joined = addMembers(db, chatId, requireOpenTurn(db, lease, turnId), messageIds);
      if (joined.length === 0) return;
      appendEvent(db, Date.now(), chatId, { type: "turn", turnId, state: "joined", messageIds: joined });
    },

    endTurn(lease, end) {
      requireLease(db, lease);
      const { chatId } = lease;
      const { turnId, outcome, endings, notices } = end;
      const messageIds = [...new Set(end.messageIds)];
      const at = Date.now();
      const turn = requireOpenTurn(db, lease, turnId);
      db.run(
        "UPDATE turns SET outcome = ?, request_at = ?, first_byte_at = ?, ended_at = ? WHERE number = ?",
        outcome,
        end.requestAt,
        end.firstByteAt,
        at,
        turn,
      );
      countTurn(db, at);
      addMembers(db, chatId, turn, messageIds);
      recordProof(db, chatId, end.proven);
      addUsage(db, at, chatId, end.usage);

      endLeftTools(db, at, chatId, turn, turnId);
      const reply = outcome === "answered" ? answer(db, at, lease, { ...end, messageIds }) : null;
      for (const ending of endings) endMessage(db, at, lease, ending);
      for (const messageId of messageIds) endTry(db, messageId, outcome === "cut" ? "lost" : outcome);
      if (reply !== null) appendReplyEvent(db, at, reply);
      tellNotices(db, at, lease, notices);
      appendEvent(db, at, chatId, { type: "turn", turnId, state: outcome, messageIds });
      return { reply };
    },

    append(lease, changes) {
      requireLease(db, lease);
      const at = Date.now();
      for (const change of changes) appendEvent(db, at, lease.chatId, change);
    },
  };
}

/**
 * Turns whose end nobody lived to record: of all chats, or of one. Their messages stay open, for the recovery to
 * decide about.
 */
export function endLeftTurns(db: Database, chatId: string | null): void {
  const at = Date.now();
  const running = "SELECT number, id, chat_id FROM turns WHERE ended_at IS NULL";
  type Left = { number: number; id: string; chat_id: string };
  const left = chatId === null ? db.all<Left>(running) : db.all<Left>(`${running} AND chat_id = ?`, chatId);
  for (const { number, id, chat_id } of left) {
    const messageIds = turnMembers(db, number);
    db.run("UPDATE turns SET outcome = 'cut', ended_at = ? WHERE number = ?", at, number);
    countTurn(db, at);
    endLeftTools(db, at, chat_id, number, id);
    appendEvent(db, at, chat_id, { type: "turn", turnId: id, state: "cut", messageIds });
  }
}

/** Its number. Throws `invalid`. */
export function requireOpenTurn(db: Database, { chatId }: Lease, turnId: string): number {
  const turn = db.get<{ number: number }>(
    "SELECT number FROM turns WHERE id = ? AND chat_id = ? AND ended_at IS NULL",
    turnId,
    chatId,
  );
  if (turn !== undefined) return turn.number;
  throw new LedgerError("invalid", `Turn ${turnId} is no open turn of chat ${chatId}.`);
}

/** Those of the messages that were no members yet, in the order given. */
function addMembers(db: Database, chatId: string, turn: number, messageIds: readonly string[]): string[] {
  const members = turnMembers(db, turn);
  const added = [...new Set(messageIds)].filter((id) => !members.includes(id));
  for (const [index, messageId] of added.entries()) {
    requireMessage(db, chatId, messageId);
    db.insert("turn_messages", { turn, n: members.length + index + 1, message_id: messageId });
  }
  return added;
}

/** Stores the reply and gives it to each member that is open; null when none is. */
function answer(
  db: Database,
  at: number,
  lease: Lease,
  { turnId, messageIds, reply }: TurnEnd,
): Reply | null {
  const { chatId } = lease;
  const open = messageIds.flatMap(
    (id) =>
      db.get<{ id: string }>(
        `SELECT id FROM messages WHERE id = ? AND chat_id = ? AND ${isOpen}`,
        id,
        chatId,
      ) ?? [],
  );
  if (open.length === 0) return null;
  if (reply === null) {
    throw new LedgerError("invalid", `Turn ${turnId} is said to have answered, but there is no reply.`);
  }
  const { id, text } = reply;
  const answers = open.map((message) => message.id);
  const stored = storeReply(db, at, lease.chatId, { id, kind: "answer", text, answers });
  for (const messageId of answers) answerMessage(db, at, lease, messageId, id);
  return stored;
}

function recordProof(db: Database, chatId: string, proven: TurnEnd["proven"]): void {
  if (proven === null) return;
  const { sessionId, sdkSessionId, toldFacts } = proven;
  db.run(
    `UPDATE sessions SET sdk_session_id = ?, told_facts = coalesce(?, told_facts) WHERE id = ? AND chat_id = ?`,
    sdkSessionId,
    toldFacts,
    sessionId,
    chatId,
  );
  db.run(
    "UPDATE chats SET unproven_session_id = NULL WHERE chat_id = ? AND unproven_session_id IS NOT NULL",
    chatId,
  );
}

function addUsage(db: Database, at: number, chatId: string, usage: TurnEnd["usage"]): void {
  db.run(
    `UPDATE chats SET active_at = ?, turns = turns + 1, input_tokens = input_tokens + ?,
       output_tokens = output_tokens + ?, cost_usd = cost_usd + ?
     WHERE chat_id = ?`,
    at,
    usage?.inputTokens ?? 0,
    usage?.outputTokens ?? 0,
    usage?.costUsd ?? 0,
    chatId,
  );
}
