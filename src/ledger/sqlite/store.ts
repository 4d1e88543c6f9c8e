/** The whole port on one connection, reads and writes apart: the worker commits the ones and then serves the others. */

import { createApprovalWrites } from "./approvals.ts";
import { createContactWrites } from "./contacts.ts";
import type { Database } from "./database.ts";
import { createExpiryWrites } from "./expiry.ts";
import { createForgetWrites } from "./forget.ts";
import { createImportWrites } from "./import.ts";
import { createMessageWrites } from "./messages.ts";
import { createOwnershipWrites, endAllLeases } from "./ownership.ts";
import { createPendingWrites } from "./pending.ts";
import { createProcessWrites, endLeftProcesses } from "./processes.ts";
import type { Reads, Writes } from "./protocol.ts";
import { createReads } from "./reads.ts";
import { createReplyWrites } from "./replies.ts";
import { createRollupWrites } from "./rollups.ts";
import { createSessionWrites } from "./sessions.ts";
import { createSpendingWrites } from "./spending.ts";
import { createToolWrites } from "./tools.ts";
import { createTurnWrites, endLeftTurns } from "./turns.ts";

export function createStore(db: Database): { reads: Reads; writes: Writes } {
  return {
    reads: createReads(db),
    writes: {
      ...createContactWrites(db),
      ...createImportWrites(db),
      ...createOwnershipWrites(db),
      ...createSessionWrites(db),
      ...createProcessWrites(db),
      ...createMessageWrites(db),
      ...createTurnWrites(db),
      ...createToolWrites(db),
      ...createApprovalWrites(db),
      ...createSpendingWrites(db),
      ...createRollupWrites(db),
      ...createPendingWrites(db),
      ...createForgetWrites(db),
      ...createExpiryWrites(db),
      ...createReplyWrites(db),
    },
  };
}

/** Once, before the first call: whatever a daemon before this one held or ran has ended. */
export function takeOver(db: Database): void {
  db.transaction(() => {
    endAllLeases(db);
    endLeftTurns(db, null);
    endLeftProcesses(db, "daemon ended", null);
  });
}
