import assert from "node:assert/strict";
import { copyFile, open, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { Database, migrate, openDatabase } from "../../src/ledger/sqlite/database.ts";
import { migrations } from "../../src/ledger/sqlite/migrations.ts";
import { accepted, refuses, rejects, withFolder, withLedger, withLedgerAt } from "./support.ts";

/** A closed ledger with some messages in it. */
async function writtenLedger(folder: string): Promise<string> {
  const path = join(folder, "ledger.db");
  await withLedgerAt({ path }, async (ledger) => {
    await Promise.all(Array.from({ length: 50 }, (_, n) => accepted(ledger, "a", `${n}`)));
  });
  return path;
}

function sqlite<T>(path: string, body: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    return body(db);
  } finally {
    db.close();
  }
}

describe("sqlite: the file", () => {
  it("is readable by nobody else, nor is what lies beside it", () =>
    withLedger(async (ledger, path) => {
      await accepted(ledger, "a", "hi");
      for (const file of [path, `${path}-wal`, `${path}-shm`]) {
        assert.equal((await stat(file)).mode & 0o777, 0o600, file);
      }
    }));

  it("holds everything when the ledger is closed", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      const copy = join(folder, "copy.db");
      await copyFile(path, copy);
      await assert.rejects(stat(`${path}-wal`), /ENOENT/);
      await withLedgerAt({ path: copy }, async (ledger) => {
        assert.equal((await ledger.chat("a"))?.open, 50);
      });
    }));

  it("syncs each commit to the disk, and knows of no row without the one that it names", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      const db = openDatabase({ path, busyMs: 1000, maxBytes: Number.POSITIVE_INFINITY });
      // 2 is FULL: in WAL mode only this syncs the log at every commit.
      assert.equal(db.one<{ synchronous: number }>("PRAGMA synchronous").synchronous, 2);
      assert.equal(db.one<{ foreign_keys: number }>("PRAGMA foreign_keys").foreign_keys, 1);
      db.close();
    }));

  it("keeps the end of a message and its answer even from this code", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      sqlite(path, (db) => {
        db.exec("UPDATE messages SET status = 'stopped', ended_at = 1 WHERE seq = 1");
        const again = "UPDATE messages SET status = 'queued', ended_at = NULL WHERE seq = 1";
        assert.throws(() => db.exec(again), /a message ends once/);
        assert.throws(
          () => db.exec("UPDATE messages SET reply_id = 'r' WHERE seq = 1"),
          /a message ends once/,
        );
      });
    }));

  it("that cannot be opened is named", () =>
    withFolder(async (folder) => {
      const missing = join(folder, "missing", "ledger.db");
      await refuses({ path: missing }, "storage_failed", new RegExp(missing));
      await refuses({ path: folder }, "storage_failed", new RegExp(folder));
    }));
});

describe("sqlite: a file that is no ledger, or a damaged one", () => {
  /** Refused as `corrupt`, by name, without a byte of it changed. */
  async function leftUntouched(path: string): Promise<void> {
    const before = await readFile(path);
    await refuses({ path }, "corrupt", new RegExp(`${path} .*left untouched`));
    assert.deepEqual(await readFile(path), before);
  }

  it("is left untouched when it is something else altogether", () =>
    withFolder(async (folder) => {
      const path = join(folder, "notes.txt");
      await writeFile(path, "Remember the milk.\n".repeat(500));
      await leftUntouched(path);
    }));

  for (const journal of ["delete", "wal"]) {
    it(`is left untouched when it is another program's database (journal: ${journal})`, () =>
      withFolder(async (folder) => {
        const path = join(folder, "other.db");
        sqlite(path, (db) => db.exec(`PRAGMA journal_mode = ${journal}; CREATE TABLE milk (bottles)`));
        await leftUntouched(path);
      }));
  }

  it("is left untouched when it is cut off", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      const { size } = await stat(path);
      for (const length of [size - 4096, 10_000, 100]) {
        await truncate(path, length);
        await leftUntouched(path);
      }
    }));

  it("is left untouched when its beginning is overwritten", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      await overwrite(path, 0, 4096);
      await leftUntouched(path);
    }));

  it("is told when the damage lies deeper", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      const { size } = await stat(path);
      await overwrite(path, 4096, size - 4096);
      await refuses({ path }, "corrupt", new RegExp(path));
    }));

  it("tells damage that is met later, and goes on with the rest", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      const page = sqlite(path, (db) => {
        const row = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'turns_of_chat'").get();
        return Number(row?.rootpage);
      });
      await overwrite(path, (page - 1) * 4096, 4096);
      await withLedgerAt({ path }, async (ledger) => {
        await rejects(ledger.turns("a", 10), "corrupt", new RegExp(path));
        assert.equal((await ledger.chat("a"))?.open, 50);
        await accepted(ledger, "a", "still");
      });
    }));

  async function overwrite(path: string, at: number, length: number): Promise<void> {
    const file = await open(path, "r+");
    await file.write(Buffer.alloc(length, 0xa5), 0, length, at);
    await file.close();
  }
});

describe("sqlite: schema versions", () => {
  it("refuses a newer one, naming both, and leaves the file untouched", () =>
    withFolder(async (folder) => {
      const path = await writtenLedger(folder);
      sqlite(path, (db) => db.exec("PRAGMA user_version = 99"));
      const before = await readFile(path);
      await refuses({ path }, "newer_schema", new RegExp(`${path} .*99.* ${migrations.length}\\b`));
      assert.deepEqual(await readFile(path), before);
    }));

  it("goes forward step by step, each with its version or not at all", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      const first = "CREATE TABLE one (a); INSERT INTO one VALUES (1)";
      const broken = "CREATE TABLE two (a); INSERT INTO nowhere VALUES (1)";
      const second = "CREATE TABLE two (a); UPDATE one SET a = 2";
      const state = () =>
        sqlite(path, (db) => ({
          version: db.prepare("PRAGMA user_version").get()?.user_version,
          tables: db.prepare("SELECT group_concat(name ORDER BY name) AS names FROM sqlite_schema").get()
            ?.names,
        }));
      const migrated = (steps: string[]) => sqlite(path, (db) => migrate(new Database(db), path, steps));

      assert.throws(() => migrated([first, broken]), /nowhere/);
      assert.deepEqual(state(), { version: 1, tables: "one" });
      migrated([first, second]);
      assert.deepEqual(state(), { version: 2, tables: "one,two" });
      migrated([first, second]);
      assert.equal(
        sqlite(path, (db) => db.prepare("SELECT a FROM one").get()?.a),
        2,
      );
    }));

  it("begins at an empty file", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      await writeFile(path, "");
      await withLedgerAt({ path }, async (ledger) => {
        await accepted(ledger, "a", "hi");
      });
      assert.equal(
        sqlite(path, (db) => db.prepare("PRAGMA user_version").get()?.user_version),
        migrations.length,
      );
    }));
});
