/**
 * Leases. An epoch is held while it is the latest of its chat and was given since the ledger was opened: opening
 * raises one number in `meta`, which makes the leases of a dead daemon stale without a write per chat.
 */

import { type Lease, LedgerError } from "../ledger.ts";
import type { Database } from "./database.ts";
import { endLeftProcesses } from "./processes.ts";
import type { Writes } from "./protocol.ts";
import { endLeftTurns } from "./turns.ts";

export function createOwnershipWrites(db: Database): Pick<Writes, "acquire" | "release"> {
  return {
    // One host, one file: a lease is granted at once.
    acquire(chatId, hostId) {
      const { epoch } = db.one<{ epoch: number }>(
        "UPDATE meta SET last_epoch = last_epoch + 1 WHERE id = 1 RETURNING last_epoch AS epoch",
      );
      if (db.run("UPDATE chats SET owner = ?, epoch = ? WHERE chat_id = ?", hostId, epoch, chatId) === 0) {
        throw new LedgerError("invalid", `There is no chat ${chatId} to acquire.`);
      }
      endLeftTurns(db, chatId);
      endLeftProcesses(db, "session started anew", chatId);
      return { epoch };
    },

    release(lease) {
      if (isHeld(db, lease)) db.run("UPDATE chats SET owner = NULL WHERE chat_id = ?", lease.chatId);
    },
  };
}

export function isHeld(db: Database, { chatId, epoch }: Lease): boolean {
  const held = db.get(
    `SELECT 1 FROM chats, meta
     WHERE chats.chat_id = ? AND chats.epoch = ? AND chats.owner IS NOT NULL
       AND meta.id = 1 AND chats.epoch > meta.start_epoch`,
    chatId,
    epoch,
  );
  return held !== undefined;
}

/** First in every write on behalf of a session. Throws `stale_epoch`. */
export function requireLease(db: Database, lease: Lease): void {
  if (isHeld(db, lease)) return;
  throw new LedgerError(
    "stale_epoch",
    `Lease ${lease.epoch} of chat ${lease.chatId} is not held any more: the chat was released or acquired anew.`,
  );
}

/** At opening: no lease given before holds any more. */
export function endAllLeases(db: Database): void {
  db.run("UPDATE meta SET start_epoch = last_epoch WHERE id = 1");
}
