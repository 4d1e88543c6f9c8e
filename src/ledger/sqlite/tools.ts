/** Tool calls: written before the tool runs, so that after a crash nobody need guess which had begun. */

import type { Change, Lease } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import { requireOpenTurn } from "./turns.ts";

/** Characters of a call's input that are kept. */
const inputLength = 2000;

export function createToolWrites(db: Database): Pick<Writes, "beginTool" | "endTool"> {
  return {
    beginTool(lease, call) {
      requireLease(db, lease);
      const { turnId, toolUseId, name, input, digest } = call;
      const turn = requireOpenTurn(db, lease, turnId);
      const at = Date.now();
      const begun = db.run(
        `INSERT INTO tool_calls (turn, tool_use_id, name, input, digest, state, started_at)
         VALUES (?, ?, ?, ?, ?, 'started', ?) ON CONFLICT (turn, tool_use_id) DO NOTHING`,
        turn,
        toolUseId,
        name,
        // The cut may fall into a surrogate pair.
        input.slice(0, inputLength).toWellFormed(),
        digest,
        at,
      );
      if (begun > 0) appendToolEvent(db, at, lease, { turnId, toolUseId, name, state: "started" });
    },

    endTool(lease, turnId, toolUseId, state) {
      requireLease(db, lease);
      const at = Date.now();
      const call = db.get<{ name: string }>(
        `UPDATE tool_calls SET state = ?, ended_at = ?
         WHERE turn = (SELECT number FROM turns WHERE id = ? AND chat_id = ?) AND tool_use_id = ?
           AND state = 'started' RETURNING name`,
        state,
        at,
        turnId,
        lease.chatId,
        toolUseId,
      );
      if (call !== undefined) appendToolEvent(db, at, lease, { turnId, toolUseId, name: call.name, state });
    },
  };
}

/** Those that still run when their turn ends: nobody will tell what became of them. */
export function endLeftTools(db: Database, at: number, chatId: string, turn: number, turnId: string): void {
  const left = db.all<{ number: number; tool_use_id: string; name: string }>(
    `UPDATE tool_calls SET state = 'unknown', ended_at = ? WHERE turn = ? AND state = 'started'
     RETURNING number, tool_use_id, name`,
    at,
    turn,
  );
  for (const { tool_use_id: toolUseId, name } of left.sort((a, b) => a.number - b.number)) {
    appendToolEvent(db, at, { chatId }, { turnId, toolUseId, name, state: "unknown" });
  }
}

function appendToolEvent(
  db: Database,
  at: number,
  { chatId }: Pick<Lease, "chatId">,
  change: Omit<Extract<Change, { type: "tool" }>, "type">,
): void {
  appendEvent(db, at, chatId, { type: "tool", ...change });
}
