/** Runs of Claude Code. The ledger numbers them before they are spawned, so that each can be told from any other. */

import { LedgerError } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";

export function createProcessWrites(
  db: Database,
): Pick<Writes, "beginProcess" | "processStarted" | "processEnded"> {
  return {
    beginProcess(lease, sessionId, reason) {
      requireLease(db, lease);
      const at = Date.now();
      const begun = db.get<{ generation: number }>(
        `INSERT INTO processes (chat_id, session_id, started_at, start_reason)
         SELECT chat_id, id, ?, ? FROM sessions WHERE id = ? AND chat_id = ? RETURNING generation`,
        at,
        reason,
        sessionId,
        lease.chatId,
      );
      if (begun === undefined) {
        throw new LedgerError("invalid", `Session ${sessionId} is none of chat ${lease.chatId}.`);
      }
      const { generation } = begun;
      appendEvent(db, at, lease.chatId, {
        type: "process",
        generation,
        state: "starting",
        pid: null,
        reason,
      });
      return { generation };
    },

    processStarted(lease, generation, pid) {
      requireLease(db, lease);
      const { chatId } = lease;
      const started = db.get<{ start_reason: string }>(
        "UPDATE processes SET pid = ? WHERE generation = ? AND chat_id = ? AND ended_at IS NULL RETURNING start_reason",
        pid,
        generation,
        chatId,
      );
      if (started === undefined) throw notRunning(chatId, generation);
      const reason = started.start_reason;
      appendEvent(db, Date.now(), chatId, { type: "process", generation, state: "started", pid, reason });
    },

    processEnded(lease, generation, reason) {
      requireLease(db, lease);
      const { chatId } = lease;
      const process = db.get<{ ended_at: number | null }>(
        "SELECT ended_at FROM processes WHERE generation = ? AND chat_id = ?",
        generation,
        chatId,
      );
      if (process === undefined) throw notRunning(chatId, generation);
      if (process.ended_at === null) end(db, chatId, generation, reason);
    },
  };
}

/** At opening: the processes that a daemon before this one did not live to record the end of. */
export function endLeftProcesses(db: Database): void {
  const left = db.all<{ generation: number; chat_id: string }>(
    "SELECT generation, chat_id FROM processes WHERE ended_at IS NULL ORDER BY generation",
  );
  for (const { generation, chat_id: chatId } of left) end(db, chatId, generation, "daemon ended");
}

function end(db: Database, chatId: string, generation: number, reason: string): void {
  const at = Date.now();
  const { pid } = db.one<{ pid: number | null }>(
    "UPDATE processes SET ended_at = ?, end_reason = ? WHERE generation = ? RETURNING pid",
    at,
    reason,
    generation,
  );
  appendEvent(db, at, chatId, { type: "process", generation, state: "ended", pid, reason });
}

export function isRunning(db: Database, chatId: string, generation: number): boolean {
  const running = db.get(
    "SELECT 1 FROM processes WHERE generation = ? AND chat_id = ? AND ended_at IS NULL",
    generation,
    chatId,
  );
  return running !== undefined;
}

export function notRunning(chatId: string, generation: number): LedgerError {
  return new LedgerError("invalid", `Process ${generation} is no running process of chat ${chatId}.`);
}
