import assert from "node:assert/strict";
import { copyFile, open, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { Database, migrate, openDatabase } from "../../src/ledger/sqlite/database.ts";
import { migrations } from "../../src/ledger/sqlite/migrations.ts";
import {
  accepted,
  answered,
  refuses,
  rejects,
  send,
  stopped,
  toolCall,
  withFolder,
  withLedger,
  withLedgerAt,
  work,
} from "./support.ts";

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

  it("becomes smaller when much of it is kept no longer", () =>
    withLedger(async (ledger, path) => {
      const at = await work(ledger, "old");
      const texts = Array.from({ length: 300 }, (_, n) => `${n} ${"long ".repeat(2000)}`);
      const messages = await Promise.all(texts.map((text) => accepted(ledger, "old", text)));
      await ledger.endMessages(at.lease, messages.map(stopped));
      await ledger.processEnded(at.lease, at.generation, "idle");
      const kept = await accepted(ledger, "kept", "short");
      const family = { messagesBefore: Date.now() + 60_000, eventsBefore: null, conversationsBefore: null };
      for (let next: string | null = ""; next !== null; ) next = (await ledger.expire(next, { family })).next;
      const { size } = await stat(path);
      assert.ok(size > 3_000_000, `${size} bytes`);
      let steps = 1;
      while (await ledger.shrink()) steps += 1;
      assert.ok(steps > 1);
      assert.ok((await stat(path)).size < size / 5, `${(await stat(path)).size} of ${size} bytes`);
      assert.equal((await ledger.message(kept.id))?.text, "short");
      assert.equal(await ledger.shrink(), false);
    }));

  it("that was made when it could not become smaller can from the next opening on", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      const mode = () => sqlite(path, (db) => db.prepare("PRAGMA auto_vacuum").get()?.auto_vacuum);
      sqlite(path, (db) => {
        db.exec("PRAGMA auto_vacuum = NONE");
        migrate(new Database(db), path, migrations);
      });
      assert.equal(mode(), 0);
      await withLedgerAt({ path }, (ledger) => accepted(ledger, "a", "hi").then(() => {}));
      assert.equal(mode(), 2);
      await withLedgerAt({ path }, async (ledger) => assert.equal((await ledger.chat("a"))?.open, 1));
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

/** Rows in every table, as the second version of the schema had them: an answered turn, and one that was left running. */
const beforeChannels = `
  UPDATE meta SET last_epoch = 1;
  INSERT INTO chats (chat_id, name, tier, is_group, session_name, epoch, last_seq, created_at, active_at)
    VALUES ('a', 'Ann', 'family', 0, 'ann', 1, 3, 1, 1);
  INSERT INTO session_names VALUES ('ann', 2);
  INSERT INTO sessions (id, chat_id, sdk_session_id, created_at) VALUES ('s', 'a', 'sdk', 1);
  INSERT INTO processes (chat_id, session_id, started_at, start_reason) VALUES ('a', 's', 1, 'message');
  INSERT INTO replies VALUES ('r', 'a', 3, 'answer', 'yes', '["m1"]', 'null', 'sent', 2);
  INSERT INTO messages (id, chat_id, seq, text, route, status, tries, reply_id, accepted_at, sent_at, ended_at)
    VALUES ('m1', 'a', 1, 'well?', 'null', 'answered', 1, 'r', 1, 1, 2),
      ('m2', 'a', 2, 'and?', 'null', 'sent', 2, NULL, 1, 3, NULL);
  INSERT INTO tries VALUES ('m1', 1, 'm1', 1, 1, 'answered', 1), ('m2', 1, 'm2', 1, 1, 'lost', 2),
    ('m2', 2, 'u2', 1, 1, NULL, 3);
  INSERT INTO turns VALUES (1, 't1', 'a', 's', 1, 'answered', 1, 1, 1, 2), (2, 't2', 'a', 's', 1, NULL, 3, 3, NULL, NULL);
  INSERT INTO turn_messages VALUES (1, 1, 'm2'), (1, 2, 'm1'), (2, 1, 'm2');
  INSERT INTO events (at, chat_id, type, subject, data) VALUES (2, 'a', 'reply', 'r', '{"status":"sent"}');
`;

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

  it("brings everything along from before there were channels", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      sqlite(path, (db) => {
        db.exec("PRAGMA foreign_keys = ON");
        migrate(new Database(db), path, migrations.slice(0, 2));
        db.exec(beforeChannels);
      });
      await withLedgerAt({ path }, async (ledger) => {
        const chat = await ledger.chat("a");
        assert.deepEqual(chat?.contact, { name: "Ann", tier: "family", group: false, queueMode: null });
        assert.equal(chat.session?.sdkSessionId, "sdk");
        const message = (await ledger.message("m1")) ?? assert.fail();
        assert.deepEqual([message.status, message.channel, message.command], ["answered", null, null]);
        const { reply } = message;
        assert.deepEqual(
          [reply?.text, reply?.channel, reply?.status, reply?.attempts, reply?.dueAt, reply?.error],
          ["yes", null, "sent", 0, null, null],
        );
        const open = await ledger.openMessages("a");
        assert.deepEqual(
          open.map(({ message, tries }) => [message.id, ...tries.map((one) => Object.values(one).join(" "))]),
          [["m2", "m2 1 m2 1 1 send 0 lost 2", "m2 2 u2 1 1 send 0  3"]],
        );
        assert.deepEqual(
          (await ledger.turns("a", 10)).map(({ id, messageIds, outcome }) => [id, messageIds, outcome]),
          [
            ["t2", ["m2"], "cut"],
            ["t1", ["m2", "m1"], "answered"],
          ],
        );
        const told = (await ledger.changes(0, { limit: 10 })).find((event) => event.type === "reply");
        assert.deepEqual(told?.reply, reply);

        const acquired = await ledger.acquire("a", "host");
        assert.ok("epoch" in acquired);
        const lease = { chatId: "a", epoch: acquired.epoch };
        const { generation } = await ledger.beginProcess(lease, "s", "message");
        await ledger.charge(lease, generation, [{ ...send("m2", "u3"), kind: "continue", progress: 1 }]);
        await ledger.beginTurn(lease, { id: "t3", sessionId: "s", generation, messageIds: ["m2"] });
        await ledger.beginTool(lease, toolCall("t3", "u"));
        await ledger.endTurn(lease, { ...answered("t3", []), messageIds: ["m2"] });
        assert.equal((await ledger.message("m2"))?.status, "answered");
      });
      sqlite(path, (db) => {
        assert.deepEqual(db.prepare("PRAGMA foreign_key_check").all(), []);
        const schema = db.prepare("SELECT group_concat(sql) AS text FROM sqlite_schema").get();
        assert.doesNotMatch(`${schema?.text}`, /new_/, "what was written anew has its own name everywhere");
      });
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
