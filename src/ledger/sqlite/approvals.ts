/** Questions to a person about tool calls, each bound to one call on behalf of one message. */

import { type Approval, LedgerError } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent, appendReplyEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import { storeReply } from "./replies.ts";
import { type ApprovalRow, approvalOf, isOpen, type MessageRow } from "./rows.ts";

/** Characters of a call's input that are kept. */
const inputLength = 2000;

export function createApprovalWrites(
  db: Database,
): Pick<Writes, "askApproval" | "endApproval" | "decideApproval"> {
  return {
    askApproval(lease, { id, messageId, name, input, digest, reason, waitMs, tell: told }) {
      requireLease(db, lease);
      const at = Date.now();
      const there = db.get<ApprovalRow>(
        `SELECT * FROM approvals WHERE message_id = ? AND chat_id = ? AND digest = ?
           AND (state = 'denied' OR state IN ('pending', 'approved') AND until > ?) ORDER BY asked_at DESC LIMIT 1`,
        messageId,
        lease.chatId,
        digest,
        at,
      );
      if (there !== undefined) return approvalOf(there);
      const kept = input.slice(0, inputLength).toWellFormed();
      const row = db.get<ApprovalRow>(
        `INSERT INTO approvals (id, chat_id, message_id, name, input, digest, reason, state, asked_at, until)
         SELECT ?, chat_id, id, ?, ?, ?, ?, 'pending', ?, ? FROM messages WHERE id = ? AND chat_id = ? RETURNING *`,
        ...[id, name, kept, digest, reason, at, at + Math.ceil(waitMs), messageId, lease.chatId],
      );
      if (row === undefined)
        throw new LedgerError("invalid", `Chat ${lease.chatId} has no message ${messageId}.`);
      tell(db, at, row, "approval_asked", `${name} waits for a person's yes: ${kept}`);
      if (told !== null) tellOther(db, at, { id, ...told });
      return approvalOf(row);
    },

    endApproval(lease, id, how) {
      requireLease(db, lease);
      const at = Date.now();
      const ended = db.get<ApprovalRow>(
        `UPDATE approvals SET state = ?, ended_at = ? WHERE id = ? AND chat_id = ? AND state = ? RETURNING *`,
        ...[how, at, id, lease.chatId, how === "used" ? "approved" : "pending"],
      );
      if (ended !== undefined && how !== "used")
        tell(db, at, ended, `approval_${how}`, `${ended.name} was not allowed: ${reasons[how]}`);
      const row = ended ?? db.get<ApprovalRow>("SELECT * FROM approvals WHERE id = ?", id);
      if (row?.chat_id !== lease.chatId)
        throw new LedgerError("invalid", `Chat ${lease.chatId} has no question ${id}.`);
      return approvalOf(row);
    },

    decideApproval(id, decision, by) {
      const at = Date.now();
      const row = db.get<ApprovalRow>(
        `UPDATE approvals SET state = ?, decided_by = ?, ended_at = ?
         WHERE id = ? AND state = 'pending' AND until > ?
           AND (SELECT ${isOpen} FROM messages WHERE messages.id = message_id) RETURNING *`,
        ...[decision, by, decision === "denied" ? at : null, id, at],
      );
      if (row === undefined) return null;
      tell(db, at, row, `approval_${decision}`, `${row.name} was ${decision} by ${by}.`);
      return approvalOf(row);
    },
  };
}

const reasons = { expired: "nobody answered in time.", withdrawn: "the turn that asked has ended." };

function tell(db: Database, at: number, { chat_id }: ApprovalRow, code: string, text: string): void {
  appendEvent(db, at, chat_id, { type: "notice", code, text });
}

/** A chat in which nobody has written by a channel cannot be told. The notice has the question's id: whoever forgets one finds both. */
function tellOther(
  db: Database,
  at: number,
  { id, chatId, text }: { id: string; chatId: string; text: string },
): void {
  const last = db.get<Pick<MessageRow, "id">>(
    "SELECT id FROM messages WHERE chat_id = ? AND channel IS NOT NULL ORDER BY seq DESC LIMIT 1",
    chatId,
  );
  if (last === undefined) return;
  appendReplyEvent(db, at, storeReply(db, at, chatId, { id, kind: "notice", text, answers: [last.id] }));
}

export function readApproval(db: Database, id: string): Approval | null {
  const row = db.get<ApprovalRow>("SELECT * FROM approvals WHERE id = ?", id);
  return row === undefined ? null : approvalOf(row);
}

export function readPendingApprovals(db: Database, limit: number): Approval[] {
  return db
    .all<ApprovalRow>(
      `SELECT * FROM approvals WHERE state = 'pending' AND until > ?
         AND (SELECT ${isOpen} FROM messages WHERE messages.id = message_id)
       ORDER BY until, id LIMIT ?`,
      Date.now(),
      limit,
    )
    .map(approvalOf);
}
