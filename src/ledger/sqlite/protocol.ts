/**
 * What crosses between the main thread and the ledger's worker: plain data only, for an Error loses its code in a
 * structured clone. The port itself is the list of calls, so the two sides cannot drift apart.
 */

import type { Ledger, LedgerErrorCode, LedgerEvent } from "../ledger.ts";

export interface SqliteOptions {
  /** The database file; created with mode 0600 when missing. Its folder must exist. */
  path: string;
  /** How long a write waits while another program holds the database, in ms. Default 30,000. */
  busyMs?: number;
  /**
   * Cap on the database file, in bytes (rounded down to whole pages of 4 KiB); beyond it writes reject with
   * `storage_full`. The write-ahead log beside it comes on top. Default: the disk.
   */
  maxBytes?: number;
}

export type Method = Exclude<keyof Ledger, "onCommit" | "close">;
export type Args<M extends Method> = Parameters<Ledger[M]>;
export type Result<M extends Method> = Awaited<ReturnType<Ledger[M]>>;

export interface Call<M extends Method = Method> {
  id: number;
  method: M;
  args: Args<M>;
}

export interface Failed {
  code: LedgerErrorCode;
  message: string;
}

export type Answer = { id: number; value: unknown } | { id: number; failed: Failed };

export type ToWorker = Call[] | "close";
export type FromWorker =
  | { type: "opened" }
  | { type: "refused"; failed: Failed }
  | { type: "batch"; answers: Answer[]; events: LedgerEvent[] };

/** The port as the worker carries it out: the same calls, at once. */
export type Store = { [M in Method]: (...args: Args<M>) => Result<M> };

/** Calls that change nothing; they are served after the commit, and while the database is locked. */
type ReadMethod =
  | "chat"
  | "chats"
  | "forgottenSpaces"
  | "pendingChat"
  | "pendingChats"
  | "portableChats"
  | "message"
  | "history"
  | "attachmentData"
  | "openMessages"
  | "works"
  | "acceptTimes"
  | "chatsWithOpenMessages"
  | "renew"
  | "processes"
  | "turns"
  | "toolCalls"
  | "spending"
  | "chatSpending"
  | "allowances"
  | "rollups"
  | "chatCount"
  | "approval"
  | "pendingApprovals"
  | "channels"
  | "chatsWithReplies"
  | "nextReply"
  | "failedReplies"
  | "changes"
  | "lastSeq";

export type Reads = Pick<Store, ReadMethod>;
export type Writes = Omit<Store, ReadMethod>;
