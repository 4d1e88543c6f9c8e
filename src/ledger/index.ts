export { type FollowOptions, follow } from "./follow.ts";
export * from "./ledger.ts";
export { checkLedger, snapshotLedger } from "./sqlite/snapshot.ts";
export { openSqliteLedger, type SqliteOptions } from "./sqlite.ts";
