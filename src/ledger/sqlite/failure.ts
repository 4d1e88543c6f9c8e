/** SQLite's errors as the ledger's: a code to decide by, and a text that names the file and what to do. */

import { LedgerError } from "../ledger.ts";

/** Primary result codes of SQLite. */
const code = {
  busy: 5,
  corrupt: 11,
  full: 13,
  constraint: 19,
  notadb: 26,
} as const;

/** The primary result code; null for what is no error of SQLite. */
function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return null;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === code.busy;
}

export function isDamage(error: unknown): boolean {
  const found = sqliteCode(error);
  return found === code.corrupt || found === code.notadb;
}

/** Whatever was thrown, as a {@link LedgerError}. */
export function failureOf(error: unknown, path: string): LedgerError {
  if (error instanceof LedgerError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  switch (sqliteCode(error)) {
    case code.full:
      return new LedgerError("storage_full", fullText(path));
    case code.busy:
      return new LedgerError("storage_busy", busyText(path));
    case code.corrupt:
    case code.notadb:
      return new LedgerError(
        "corrupt",
        `${path} is damaged (${reason}). Stop Switchboard, keep a copy of the file, and restore a backup.`,
      );
    case code.constraint:
      return new LedgerError("invalid", `The call contradicts the ledger: ${reason}.`);
    case null:
      return new LedgerError("storage_failed", `The ledger ${path} failed: ${reason}`);
    default:
      return new LedgerError(
        "storage_failed",
        `${path} cannot be read or written (${reason}). Check the disk and the file's permissions.`,
      );
  }
}

export function fullText(path: string): string {
  return `The disk that holds ${path} is full, or the ledger has reached its size limit. Make room and try again.`;
}

export function busyText(path: string): string {
  return `Another program holds ${path} locked. Close it (an open sqlite3 shell, a backup) and try again.`;
}
