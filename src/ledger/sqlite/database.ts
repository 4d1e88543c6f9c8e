/**
 * The database file: looked at before it is touched, opened, brought to the current schema.
 * One connection with its prepared statements; SQL is written where it is used.
 */

import { closeSync, constants, openSync } from "node:fs";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { LedgerError } from "../ledger.ts";
import { failureOf, fullText, isDamage } from "./failure.ts";
import { applicationId, migrations } from "./migrations.ts";
import type { SqliteOptions } from "./protocol.ts";

export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #inserts = new Map<string, StatementSync>();

  constructor(connection: DatabaseSync) {
    this.#connection = connection;
  }

  /** The number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  /** Stores a row of the given columns; returns its rowid. */
  insert<Row extends Record<keyof Row, SQLInputValue>>(table: string, row: Row): number {
    const columns = Object.keys(row);
    const into = `${table} (${columns})`;
    let statement = this.#inserts.get(into);
    if (statement === undefined) {
      statement = this.#connection.prepare(`INSERT INTO ${into} VALUES (${columns.map(() => "?")})`);
      this.#inserts.set(into, statement);
    }
    return Number(statement.run(...Object.values<SQLInputValue>(row)).lastInsertRowid);
  }

  /** The first row. All tables are STRICT, so `Row` is what the schema says of the columns asked for. */
  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined;
  }

  /** As {@link get}, for a row that is always there. */
  one<Row>(sql: string, ...values: SQLInputValue[]): Row {
    const row = this.get<Row>(sql, ...values);
    if (row === undefined) throw new Error(`no row: ${sql}`);
    return row;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  /** Several statements, not kept prepared. */
  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  get inTransaction(): boolean {
    return this.#connection.isTransaction;
  }

  /** All of `work` or, when it throws, nothing. */
  transaction(work: () => void): void {
    this.run("BEGIN IMMEDIATE");
    try {
      work();
      this.run("COMMIT");
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Nothing to do when SQLite has rolled back by itself, as it may when the disk is full. */
  rollback(): void {
    if (this.inTransaction) this.run("ROLLBACK");
  }

  /** From now on a lock of another program is an error at once. */
  neverWait(): void {
    this.exec("PRAGMA busy_timeout = 0");
  }

  close(): void {
    this.#connection.close();
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/**
 * Opens or creates the ledger. SQLite itself waits up to `busyMs` for another program's lock, until `neverWait`.
 * Throws `corrupt` and `newer_schema` without having touched the file, `storage_failed`, `storage_full`, `storage_busy`.
 */
export function openDatabase({ path, maxBytes, busyMs }: Required<SqliteOptions>): Database {
  createFile(path);
  inspect(path, busyMs);
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(path, { timeout: busyMs });
    const db = new Database(connection);
    // Room that removed rows leave can be given back to the disk. It holds for a new file alone; others: `makeShrinkable`.
    db.exec("PRAGMA auto_vacuum = INCREMENTAL");
    const { journal_mode: journal } = db.one<{ journal_mode: string }>("PRAGMA journal_mode = WAL");
    if (journal !== "wal") {
      throw new LedgerError("storage_failed", `${path}: its file system cannot hold a write-ahead log.`);
    }
    db.exec("PRAGMA synchronous = FULL");
    db.exec("PRAGMA foreign_keys = ON");
    // What is deleted or rewritten is overwritten, so that a forgotten chat leaves no bytes. Pages that change are written anyway.
    db.exec("PRAGMA secure_delete = ON");
    // What a savepoint remembers, not what is stored: a file for it costs more than the rows (measured).
    db.exec("PRAGMA temp_store = MEMORY");
    // KiB. With SQLite's own 2 MB a list of 100 among a million chats reads 600 pages anew at each call, and takes half
    // as long again. The price: accepts of 64 callers are 5 to 8 % fewer where there are few chats (both measured).
    db.exec("PRAGMA cache_size = -8192");
    // A log that grew while someone held a long read does not stay large.
    db.exec(`PRAGMA journal_size_limit = ${64 * 1024 * 1024}`);
    if (maxBytes !== Number.POSITIVE_INFINITY) {
      const { page_size: pageSize } = db.one<{ page_size: number }>("PRAGMA page_size");
      db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`);
    }
    migrate(db, path, migrations);
    makeShrinkable(db);
    return db;
  } catch (error) {
    connection?.close();
    throw failureOf(error, path);
  }
}

/** A file up to this size, in bytes, is written anew for it: that is done in memory, and takes as much (measured). */
const writtenAnew = 64 * 2 ** 20;

/** A file that was made before that could be is written anew, once; one that is large, or has no room beside it, stays as it is. */
function makeShrinkable(db: Database): void {
  const { auto_vacuum: mode } = db.one<{ auto_vacuum: number }>("PRAGMA auto_vacuum");
  const { page_size: size } = db.one<{ page_size: number }>("PRAGMA page_size");
  const { page_count: count } = db.one<{ page_count: number }>("PRAGMA page_count");
  if (mode !== 0 || size * count > writtenAnew) return;
  try {
    db.exec("VACUUM");
  } catch (error) {
    if (isDamage(error)) throw error;
  }
}

/** Gives the file its mode, and an error that says more than SQLite's "unable to open". */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") {
      throw new LedgerError("storage_full", fullText(path));
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new LedgerError("storage_failed", `The ledger ${path} cannot be opened: ${reason}`);
  }
}

/** Through a connection that cannot write: closing one that can would move a log's pages into the file. */
function inspect(path: string, busyMs: number): void {
  let connection: DatabaseSync | undefined;
  try {
    connection = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
    identify(new Database(connection), path, migrations.length);
  } catch (error) {
    if (isDamage(error)) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new LedgerError("corrupt", foreignText(path, `is damaged or is no database (${reason})`));
    }
    if (error instanceof LedgerError) throw error;
    // What else hinders reading (a journal to recover first) is for the writing connection to solve or to report.
  } finally {
    connection?.close();
  }
}

/** The schema version: 0 for an empty file. Throws `corrupt` for another program's database, `newer_schema`. */
export function identify(db: Database, path: string, newest: number): number {
  const { application_id: application } = db.one<{ application_id: number }>("PRAGMA application_id");
  const { user_version: version } = db.one<{ user_version: number }>("PRAGMA user_version");
  const { objects } = db.one<{ objects: number }>("SELECT count(*) AS objects FROM sqlite_schema");
  const empty = application === 0 && version === 0 && objects === 0;
  if (!empty && application !== applicationId) {
    throw new LedgerError("corrupt", foreignText(path, "is another program's database"));
  }
  if (version > newest) {
    throw new LedgerError(
      "newer_schema",
      `${path} has schema version ${version}; this Switchboard knows versions up to ${newest}. It was left untouched: start the newer Switchboard.`,
    );
  }
  return version;
}

function foreignText(path: string, what: string): string {
  return `${path} ${what}. It was left untouched: restore a backup, or move it away to begin with an empty ledger.`;
}

/** Takes the steps that are missing, each in a transaction with its version. */
export function migrate(db: Database, path: string, steps: readonly string[]): void {
  for (const [version, step] of steps.entries().drop(identify(db, path, steps.length))) {
    db.transaction(() => {
      // Looked at again, now that nobody else can write: another process may be opening the same file.
      if (identify(db, path, steps.length) !== version) return;
      db.exec(step);
      db.exec(`PRAGMA application_id = ${applicationId}`);
      db.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}
