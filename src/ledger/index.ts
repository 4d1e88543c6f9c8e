export { type FollowOptions, follow } from "./follow.ts";
export * from "./ledger.ts";
export { openSqliteLedger, type SqliteOptions } from "./sqlite.ts";
