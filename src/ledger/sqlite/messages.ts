/** What becomes of accepted messages: charged tries, back to the queue, their one end. */

import { type Ending, type Lease, LedgerError, type TryOutcome } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendMessageEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import { requireRunning } from "./processes.ts";
import type { Writes } from "./protocol.ts";
import { tellNotices } from "./replies.ts";
import { countEnd } from "./rollups.ts";
import { isOpen, type MessageState, type TryRow } from "./rows.ts";

const returningState = "RETURNING status, ran, tries, error_code, error_message, reply_id, accepted_at";

export function createMessageWrites(db: Database): Pick<Writes, "charge" | "requeue" | "endMessages"> {
  return {
    charge(lease, generation, tries) {
      requireLease(db, lease);
      const { chatId } = lease;
      requireRunning(db, chatId, generation);
      const at = Date.now();
      for (const { messageId, sdkUuid, kind, progress } of tries) {
        endTry(db, messageId, "lost");
        const state = db.get<MessageState>(
          `UPDATE messages SET status = 'sent', tries = tries + 1, sent_at = ?
           WHERE id = ? AND chat_id = ? AND ${isOpen} ${returningState}`,
          at,
          messageId,
          chatId,
        );
        if (state === undefined) {
          throw new LedgerError("invalid", `Message ${messageId} is no open message of chat ${chatId}.`);
        }
        beginTry(db, {
          message_id: messageId,
          n: state.tries,
          sdk_uuid: sdkUuid,
          generation,
          epoch: lease.epoch,
          kind,
          progress,
          charged_at: at,
        });
        appendMessageEvent(db, at, chatId, messageId, state);
      }
    },

    requeue(lease, messageIds, outcome) {
      requireLease(db, lease);
      const at = Date.now();
      for (const messageId of messageIds) {
        const state = db.get<MessageState>(
          `UPDATE messages SET status = 'queued' WHERE id = ? AND chat_id = ? AND status = 'sent' ${returningState}`,
          messageId,
          lease.chatId,
        );
        if (state === undefined) continue;
        endTry(db, messageId, outcome);
        appendMessageEvent(db, at, lease.chatId, messageId, state);
      }
    },

    endMessages(lease, endings, notices = []) {
      requireLease(db, lease);
      const at = Date.now();
      for (const ending of endings) endMessage(db, at, lease, ending);
      tellNotices(db, at, lease, notices);
    },
  };
}

export function beginTry(db: Database, begun: Omit<TryRow, "outcome">): void {
  db.insert("tries", begun);
}

/** Ends the message's open try, if there is one. */
export function endTry(db: Database, messageId: string, outcome: TryOutcome): void {
  db.run("UPDATE tries SET outcome = ? WHERE message_id = ? AND outcome IS NULL", outcome, messageId);
}

/** Ends the message unless it has ended already. */
export function endMessage(db: Database, at: number, { chatId }: Lease, ending: Ending): void {
  const { messageId, status, ran, error } = ending;
  const state = db.get<MessageState>(
    `UPDATE messages SET status = ?, ran = ?, error_code = ?, error_message = ?, ended_at = ?
     WHERE id = ? AND chat_id = ? AND ${isOpen} ${returningState}`,
    status,
    status === "stopped" && ran !== null ? Number(ran) : null,
    error?.code ?? null,
    error?.message ?? null,
    at,
    messageId,
    chatId,
  );
  if (state === undefined) return;
  endTry(db, messageId, status === "stopped" ? "stopped" : "failed");
  countEnd(db, at, state);
  appendMessageEvent(db, at, chatId, messageId, state);
}

/** Gives the message the reply unless it has ended already. */
export function answerMessage(
  db: Database,
  at: number,
  { chatId }: Lease,
  messageId: string,
  replyId: string,
): void {
  const state = db.get<MessageState>(
    `UPDATE messages SET status = 'answered', reply_id = ?, ended_at = ?
     WHERE id = ? AND chat_id = ? AND ${isOpen} ${returningState}`,
    replyId,
    at,
    messageId,
    chatId,
  );
  if (state === undefined) return;
  endTry(db, messageId, "answered");
  countEnd(db, at, state);
  appendMessageEvent(db, at, chatId, messageId, state);
}
