import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { openSqliteLedger } from "../../src/ledger/index.ts";
import { describeLedger } from "./contract.ts";
import { accepted, admitted, inbound, rejects, withFolder, withLedger } from "./support.ts";

describeLedger("sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "switchboard-ledger-"));
  const path = join(folder, "ledger.db");
  return {
    open: () => openSqliteLedger({ path }),
    async remove() {
      checkRows(path);
      await rm(folder, { recursive: true });
    },
  };
});

/** After each of the contract's tests: what must hold of the rows, and no call shows. */
function checkRows(path: string): void {
  const db = new DatabaseSync(path);
  try {
    assert.deepEqual(db.prepare("PRAGMA integrity_check").all().map(Object.values), [["ok"]]);
    assert.deepEqual(db.prepare("PRAGMA foreign_key_check").all(), []);
    const wrongTries = db.prepare(`
      SELECT * FROM messages m JOIN tries t ON t.message_id = m.id
      WHERE t.outcome IS NULL AND m.status <> 'sent' OR t.outcome = 'answered' AND m.status <> 'answered'`);
    assert.deepEqual(wrongTries.all(), []);
  } finally {
    db.close();
  }
}

/** Commits in a write-ahead log since it was last begun anew: frames that say how large the database is after them. */
async function commitsIn(wal: string): Promise<number> {
  const log = await readFile(wal);
  const frameSize = 24 + log.readUInt32BE(8);
  const salt = log.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + frameSize <= log.length; at += frameSize) {
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    if (log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}

describe("sqlite: group commit", () => {
  it("lets accepts that come together share a commit", () =>
    withLedger(async (ledger, path) => {
      const before = await commitsIn(`${path}-wal`);
      for (let n = 0; n < 10; n += 1) await accepted(ledger, "a", `${n}`);
      const alone = (await commitsIn(`${path}-wal`)) - before;
      assert.equal(alone, 10, "one after the other, each has its own");

      let told = 0;
      ledger.onCommit(() => {
        told += 1;
      });
      await Promise.all(Array.from({ length: 256 }, (_, n) => accepted(ledger, `chat ${n % 8}`, `${n}`)));
      const atOnce = (await commitsIn(`${path}-wal`)) - before - alone;
      assert.equal(atOnce, 1, "asked for in one tick, all have the same");

      const asked: Array<Promise<unknown>> = [];
      while (asked.length < 256) {
        asked.push(accepted(ledger, `chat ${asked.length % 8}`, "hi"));
        await setImmediate();
      }
      await Promise.all(asked);
      const meanwhile = (await commitsIn(`${path}-wal`)) - before - alone - atOnce;
      assert.ok(meanwhile < 200, `256 accepts, each in a tick of its own, took ${meanwhile} commits`);
      assert.equal(told, atOnce + meanwhile, "listeners are called once for each commit");
    }));

  it("undoes a write that fails by itself, alone", () =>
    withLedger(async (ledger) => {
      const first = await accepted(ledger, "a", "1");
      const results = await Promise.allSettled([
        accepted(ledger, "a", "2"),
        // Names a new chat before it finds that the id is taken: both must go.
        ledger.accept(inbound("b", "3", { id: first.id }), admitted),
        accepted(ledger, "a", "4"),
      ]);
      assert.deepEqual(
        results.map((result) => result.status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      assert.equal(await ledger.chat("b"), null);
      assert.deepEqual(
        (await ledger.history("a", { limit: 10 })).map((entry) => entry.text),
        ["1", "2", "4"],
      );
    }));
});

describe("sqlite: the worker", () => {
  it("takes every call with it when it dies", () =>
    withFolder(async (folder) => {
      const begun = once(process, "worker");
      const ledger = await openSqliteLedger({ path: join(folder, "ledger.db") });
      const worker: Worker = (await begun)[0];
      const heard: number[] = [];
      ledger.onCommit((events) => heard.push(events.length));
      const pending = [ledger.accept(inbound("a", "hi"), admitted), ledger.chat("a")];
      const dying = worker.terminate();
      for (const call of pending) await rejects(call, "storage_failed", /ended unexpectedly/);
      await dying;
      await rejects(ledger.lastSeq(), "storage_failed");
      assert.deepEqual(heard, [0]);
      await ledger.close();
    }));

  it("is not reached by what is no plain data, and nobody else's call is lost for it", () =>
    withLedger(async (ledger) => {
      const bad = inbound("a", "bad");
      Object.assign(bad, { route: () => {} });
      const [refused, message] = await Promise.allSettled([
        ledger.accept(bad, admitted),
        accepted(ledger, "a", "good"),
      ]);
      assert.equal(message.status, "fulfilled");
      assert.equal(refused.status, "rejected");
      await rejects(Promise.reject(refused.reason), "invalid", /plain data/);
    }));

  it("does not lose a batch to a listener that throws, and lets the process end when closed", () =>
    withFolder(async (folder) => {
      const program = `
        import { openSqliteLedger } from ${JSON.stringify(import.meta.resolve("../../src/ledger/index.ts"))};
        const ledger = await openSqliteLedger({ path: process.argv[1] });
        process.on("uncaughtException", (error) => console.log("uncaught", error.message));
        ledger.onCommit(() => { throw new Error("a listener's own"); });
        ledger.onCommit((events) => console.log("heard", events.length));
        await ledger.putContact("a", { name: "Ann" }, "ann");
        await ledger.close();
        console.log("closed");
      `;
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--input-type=module", "-e", program, join(folder, "ledger.db")],
        { timeout: 30_000 },
      );
      assert.deepEqual(stdout.trim().split("\n").toSorted(), [
        "closed",
        "heard 0",
        "heard 1",
        "uncaught a listener's own",
        "uncaught a listener's own",
      ]);
    }));
});
