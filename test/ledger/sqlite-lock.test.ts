import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { accepted, admitted, inbound, refuses, rejects, withLedger, withLedgerAt } from "./support.ts";

/** Another program that has begun to write; it holds the database until the returned function is first called. */
async function lock(path: string): Promise<() => Promise<void>> {
  const program = `
    const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(process.argv[1], { timeout: 30000 });
    db.exec("BEGIN IMMEDIATE");
    process.stdout.write("locked");
    process.stdin.resume().on("end", () => db.exec("COMMIT"));
  `;
  const child = spawn(process.execPath, ["-e", program, path], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  return async () => {
    child.stdin.end();
    assert.deepEqual(await exited, [0, null]);
  };
}

/** A timer of this thread: how often it came, and the longest gap between two times, in ms. */
class Ticker {
  longestGap = 0;
  #last = performance.now();
  #waiting: Array<() => void> = [];
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.longestGap = Math.max(this.longestGap, now - this.#last);
    this.#last = now;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }, 20);

  async ticks(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

describe("sqlite: a database that another program holds", () => {
  it("delays writes, but neither this thread's timers nor reads", () =>
    withLedger(async (ledger, path) => {
      const unlock = await lock(path);
      const timer = new Ticker();
      try {
        let done = 0;
        const writes = Promise.all(
          Array.from({ length: 20 }, async (_, n) => {
            await accepted(ledger, "a", `${n}`);
            done += 1;
          }),
        );
        for (let reads = 0; reads < 150; reads += 1) {
          assert.equal(await ledger.lastSeq(), 0);
          await timer.ticks(1);
        }
        assert.equal(done, 0, "nothing is acknowledged before it is committed");
        // 150 ticks of 20 ms are 3 s or more; a thread that waits for the lock would not have ticked at all.
        assert.ok(timer.longestGap < 1000, `a timer came ${timer.longestGap} ms late`);
        await unlock();
        await writes;
        assert.equal((await ledger.chat("a"))?.open, 20);
      } finally {
        timer.stop();
        await unlock();
      }
    }));

  it("is given up after the busy limit, and is no loss when it is free again", () =>
    withLedger(
      async (ledger, path) => {
        const unlock = await lock(path);
        try {
          const asked = performance.now();
          const writes = Array.from({ length: 3 }, () => ledger.accept(inbound("a", "hi"), admitted));
          for (const write of writes) await rejects(write, "storage_busy", new RegExp(path));
          assert.ok(performance.now() - asked >= 300);
          assert.equal(await ledger.chat("a"), null);
          await unlock();
          await accepted(ledger, "a", "hi");
          assert.equal((await ledger.chat("a"))?.open, 1);
        } finally {
          await unlock();
        }
      },
      { busyMs: 300 },
    ));

  it("is waited for when the ledger is opened, up to the same limit", () =>
    withLedger(async (first, path) => {
      await first.close();
      const unlock = await lock(path);
      const timer = new Ticker();
      try {
        await refuses({ path, busyMs: 100 }, "storage_busy", new RegExp(path));
        let open = false;
        const opened = withLedgerAt({ path }, async () => {
          open = true;
        });
        await timer.ticks(25);
        assert.equal(open, false);
        await unlock();
        await opened;
      } finally {
        timer.stop();
        await unlock();
      }
    }));
});
