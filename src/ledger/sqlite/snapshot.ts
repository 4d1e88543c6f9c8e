/** The whole ledger as one file, while others may be writing to it; and what such a file is worth. */

import { DatabaseSync } from "node:sqlite";
import { LedgerError } from "../ledger.ts";
import { Database, identify } from "./database.ts";
import { failureOf } from "./failure.ts";
import { migrations } from "./migrations.ts";

/** ms that another program's lock is waited for. */
const busyMs = 10_000;

/**
 * Writes the ledger at `path` as it is at one moment to `to`, which must not be there. Nobody who writes is kept waiting.
 * Throws the ledger's errors.
 */
export function snapshotLedger(path: string, to: string): void {
  reading(path, (db) => void db.run("VACUUM INTO ?", to));
}

/** Throws `corrupt` or `newer_schema` when it is no ledger that this program can go on with. Reads all of it. */
export function checkLedger(path: string): void {
  reading(path, (db) => {
    identify(db, path, migrations.length);
    const { integrity_check: verdict } = db.one<{ integrity_check: string }>("PRAGMA integrity_check(1)");
    if (verdict !== "ok") throw new LedgerError("corrupt", `${path} is damaged: ${verdict}`);
  });
}

function reading(path: string, work: (db: Database) => void): void {
  let connection: DatabaseSync | undefined;
  try {
    // One that could write would, when it is closed, move the log's pages into the file.
    connection = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
    work(new Database(connection));
  } catch (error) {
    throw failureOf(error, path);
  } finally {
    connection?.close();
  }
}
