import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import fc from "fast-check";
import { LedgerError, type LedgerErrorCode } from "../../src/ledger/index.ts";
import { type Logger, silent } from "../../src/log.ts";
import { Writes } from "../../src/sessions/writes.ts";
import { ManualClock } from "./manual-clock.ts";

function session() {
  const clock = new ManualClock();
  const hurry = new AbortController();
  const warnings: object[] = [];
  const log: Logger = { ...silent, warn: (fields) => warnings.push(fields) };
  return { clock, hurry, warnings, writes: new Writes({ clock, log, giveUp: hurry.signal }) };
}

/** A write that fails so many times before it succeeds. */
function failing(times: number, code: LedgerErrorCode): () => Promise<string> {
  let left = times;
  return async () => {
    if (left-- > 0) throw new LedgerError(code, `no ${code}`);
    return "written";
  };
}

describe("a session's writes", () => {
  it("are carried out one after the other, in the order asked for, whatever becomes of each", async () => {
    const write = fc.record({ ticks: fc.nat(3), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 8 }), async (all) => {
        const { writes } = session();
        const trace: string[] = [];
        const results = all.map(({ ticks, fails }, at) =>
          writes.run(async () => {
            trace.push(`${at} begins`);
            for (let tick = 0; tick < ticks; tick++) await settle();
            trace.push(`${at} ends`);
            if (fails) throw new Error(`${at}`);
            return at;
          }),
        );
        const settled = await Promise.allSettled(results);
        assert.deepEqual(
          trace,
          all.flatMap((_, at) => [`${at} begins`, `${at} ends`]),
        );
        assert.deepEqual(
          settled.map(({ status }) => status),
          all.map(({ fails }) => (fails ? "rejected" : "fulfilled")),
        );
      }),
      { numRuns: 50 },
    );
  });

  for (const code of ["storage_full", "storage_busy"] as const) {
    it(`wait while the storage says ${code}, once a second, and hold those behind them`, async () => {
      const { clock, writes, warnings } = session();
      const done: string[] = [];
      const first = writes.run(failing(2, code)).then((result) => done.push(result));
      const second = writes.run(async () => done.push("second"));
      for (let attempt = 1; attempt <= 2; attempt++) {
        await settle();
        assert.deepEqual(done, []);
        assert.equal(warnings.length, attempt);
        clock.advance(999);
        await settle();
        assert.equal(warnings.length, attempt);
        clock.advance(1);
      }
      await Promise.all([first, second]);
      assert.deepEqual(done, ["written", "second"]);
      assert.deepEqual(warnings, [{ code }, { code }]);
    });
  }

  for (const code of ["stale_epoch", "invalid", "storage_failed", "closed"] as const) {
    it(`are not tried again after ${code}`, async () => {
      const { clock, writes } = session();
      await assert.rejects(writes.run(failing(1, code)), { code });
      assert.equal(clock.timers, 0);
    });
  }

  it("are given up in a hurry: at once, after one more try", async () => {
    const { clock, hurry, writes } = session();
    let tries = 0;
    const write = writes.run(async () => {
      tries += 1;
      throw new LedgerError("storage_full", "full");
    });
    await settle();
    hurry.abort();
    await assert.rejects(write, { code: "storage_full" });
    assert.equal(tries, 2);
    assert.equal(clock.timers, 0);
  });

  it("are settled when all that was asked for so far is done, failed ones too", async () => {
    const { writes } = session();
    const { promise, resolve } = Promise.withResolvers<void>();
    const done: string[] = [];
    writes.run(() => promise).then(() => done.push("slow"));
    writes.run(failing(1, "invalid")).catch(() => done.push("failed"));
    const settled = writes.settled().then(() => done.push("settled"));
    await settle();
    assert.deepEqual(done, []);
    resolve();
    await settled;
    assert.deepEqual(done, ["slow", "failed", "settled"]);
  });

  it("are settled when there were none", async () => {
    await session().writes.settled();
  });
});
