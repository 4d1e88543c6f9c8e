/** What a backup is made of. */

/** Of the home itself, by its name there: what belongs to the machine, to the moment, or is written otherwise. */
const leftOut = new Set(["token", "lock", "url", "running", "chats", "imports"]);

export const ledgerName = "switchboard.db";
export const manifestName = "manifest.json";

/** Whether a path, relative to the home and with `/` between its names, belongs into a backup. */
export function belongs(path: string): boolean {
  const [top = "", , inSpace, inClaude] = path.split("/");
  if (leftOut.has(top) || top.startsWith(ledgerName) || top === manifestName) return false;
  // What a session's process puts there for as long as it lives.
  const isPassing = inSpace === "tmp" || (inSpace === "claude" && inClaude === "sessions");
  return !(top === "spaces" && isPassing);
}

/** The first file in it. `format` changes when an older program could not restore it any more. */
export interface Manifest {
  format: 1;
  /** Of the program that made it. */
  version: string;
  madeAt: string;
}

export type BackupErrorCode =
  /** No home is there, or one that is not empty where there must be none. */
  | "home_unusable"
  /** Nothing is overwritten. */
  | "file_exists"
  /** Not whole, not ours, or it wants to write where it must not. */
  | "invalid_backup"
  | "storage_full"
  | "storage_failed";

export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: BackupErrorCode;
  readonly hint: string | undefined;

  constructor(code: BackupErrorCode, message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.code = code;
    this.hint = options.hint;
  }
}

/** An error of the system's as ours; `what`: the file or folder that was written. Others are given back. */
export function systemError(error: unknown, what: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new BackupError("storage_full", `there is no room for ${what}`, { cause: error });
  if (typeof code === "string" && /^E[A-Z]+$/.test(code))
    return new BackupError("storage_failed", `${what}: ${String(error)}`, { cause: error });
  return error;
}
