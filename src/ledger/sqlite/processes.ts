/** Runs of Claude Code. The ledger numbers them before they are spawned, so that each can be told from any other. */

import { LedgerError } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import { requireLease } from "./ownership.ts";
import type { Writes } from "./protocol.ts";
import type { ProcessRow } from "./rows.ts";
import { requireSession } from "./sessions.ts";

export function createProcessWrites(
  db: Database,
): Pick<Writes, "beginProcess" | "processStarted" | "processEnded"> {
  return {
    beginProcess(lease, sessionId, reason) {
      requireLease(db, lease);
      const at = Date.now();
      requireSession(db, lease.chatId, sessionId);
      const generation = db.insert("processes", {
        chat_id: lease.chatId,
        session_id: sessionId,
        started_at: at,
        start_reason: reason,
      });
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
      requireRunning(db, chatId, generation);
      const { start_reason: reason } = db.one<Pick<ProcessRow, "start_reason">>(
        "UPDATE processes SET pid = ? WHERE generation = ? RETURNING start_reason",
        pid,
        generation,
      );
      appendEvent(db, Date.now(), chatId, { type: "process", generation, state: "started", pid, reason });
    },

    processEnded(lease, generation, reason) {
      requireLease(db, lease);
      const { chatId } = lease;
      const process = requireProcess(db, chatId, generation);
      if (process.ended_at === null) end(db, chatId, generation, reason);
    },
  };
}

/** Processes whose end nobody lived to record: of all chats, or of one. */
export function endLeftProcesses(db: Database, reason: string, chatId: string | null): void {
  const running = "SELECT generation, chat_id FROM processes WHERE ended_at IS NULL";
  type Left = Pick<ProcessRow, "generation" | "chat_id">;
  const left = chatId === null ? db.all<Left>(running) : db.all<Left>(`${running} AND chat_id = ?`, chatId);
  for (const { generation, chat_id } of left) end(db, chat_id, generation, reason);
}

function end(db: Database, chatId: string, generation: number, reason: string): void {
  const at = Date.now();
  const { pid } = db.one<Pick<ProcessRow, "pid">>(
    "UPDATE processes SET ended_at = ?, end_reason = ? WHERE generation = ? RETURNING pid",
    at,
    reason,
    generation,
  );
  appendEvent(db, at, chatId, { type: "process", generation, state: "ended", pid, reason });
}

type Process = Pick<ProcessRow, "ended_at">;

function findProcess(db: Database, chatId: string, generation: number): Process | undefined {
  return db.get("SELECT ended_at FROM processes WHERE generation = ? AND chat_id = ?", generation, chatId);
}

export function isRunning(db: Database, chatId: string, generation: number): boolean {
  return findProcess(db, chatId, generation)?.ended_at === null;
}

/** Throws `invalid` when the process is none of the chat. */
export function requireProcess(db: Database, chatId: string, generation: number): Process {
  const process = findProcess(db, chatId, generation);
  if (process !== undefined) return process;
  throw new LedgerError("invalid", `Process ${generation} is none of chat ${chatId}.`);
}

/** Throws `invalid` when the process is none of the chat, or has ended. */
export function requireRunning(db: Database, chatId: string, generation: number): void {
  if (requireProcess(db, chatId, generation).ended_at === null) return;
  throw new LedgerError("invalid", `Process ${generation} of chat ${chatId} has ended.`);
}
