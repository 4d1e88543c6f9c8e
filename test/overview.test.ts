import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Gauge, Rollup } from "../src/ledger/index.ts";
import { rollupMs } from "../src/ledger/index.ts";
import { silent } from "../src/log.ts";
import { Overview, type OverviewParts, stepsOf, timeWithin } from "../src/overview.ts";
import { ManualClock } from "./sessions/manual-clock.ts";

function rollup(at: number, more: Partial<Rollup> = {}): Rollup {
  return {
    at,
    ...{ turns: 0, answered: 0, refused: 0, failed: 0, stopped: 0, cost: 0, answerTimes: [] },
    ...{ live: null, waiting: null, memoryBytes: null },
    ...more,
  };
}

describe("the steps of an overview", () => {
  it("are without a gap, and sum up what falls into them", () => {
    const step = 2 * rollupMs;
    const begin = 100 * step;
    const steps = stepsOf(
      [
        rollup(begin - rollupMs, { turns: 100 }),
        rollup(begin, { turns: 1, answered: 2, cost: 1_500_000_000, live: 3, memoryBytes: 10, waiting: 0 }),
        rollup(begin + rollupMs, { turns: 4, failed: 1, live: 2, memoryBytes: 30, waiting: 5 }),
        rollup(begin + 2 * step, { stopped: 1 }),
      ],
      begin,
      begin + 2 * step + 1,
      step,
    );
    assert.deepEqual(
      steps.map(({ at }) => Date.parse(at)),
      [begin, begin + step, begin + 2 * step],
    );
    const [first, second, third] = steps;
    assert.deepEqual(first, {
      at: first?.at,
      ...{ turns: 5, answered: 2, refused: 0, failed: 1, stopped: 0, answerMs: null, costUsd: 1.5 },
      ...{ live: 3, waiting: 5, memoryBytes: 30 },
    });
    assert.deepEqual([second?.turns, second?.live], [0, null]);
    assert.deepEqual([third?.stopped, third?.memoryBytes], [1, null]);
  });

  it("say within which time a share was answered, over all stretches", () => {
    const fast = { upToMs: 100, count: 98 };
    const slow = { upToMs: 5000, count: 2 };
    assert.equal(timeWithin([slow, fast], 0.5), 100);
    assert.equal(timeWithin([slow, fast], 0.98), 100);
    assert.equal(timeWithin([slow, fast], 0.99), 5000);
    assert.equal(timeWithin([{ upToMs: 7, count: 1 }], 0.99), 7);
    const [step] = stepsOf(
      [rollup(0, { answerTimes: [fast] }), rollup(rollupMs, { answerTimes: [slow] })],
      0,
      0,
      2 * rollupMs,
    );
    assert.deepEqual(step?.answerMs, { p50: 100, p99: 5000 });
  });
});

describe("how it stands", () => {
  function watched() {
    const clock = new ManualClock();
    const gauges: Gauge[] = [];
    const pool = { live: 0, waiting: 0, bytes: 0 };
    let fails = false;
    const parts: OverviewParts = {
      clock,
      log: silent,
      pool,
      manager: { census: () => assert.fail("nobody asked") },
      ledger: {
        gauge: async (gauge) => {
          if (fails) throw new Error("the disk is full");
          gauges.push(gauge);
        },
        rollups: async () => [],
        chatCount: async () => 0,
        spending: async () => [],
        lastSeq: async () => 0,
      },
    };
    return { overview: new Overview(parts), clock, gauges, pool, fail: (now: boolean) => (fails = now) };
  }

  it("is put down at once, when it grows, and once in each stretch", async () => {
    const { overview, clock, gauges, pool } = watched();
    assert.equal(gauges.length, 1);
    clock.advance(60_000);
    assert.equal(gauges.length, 1, "nothing has grown");
    pool.live = 2;
    clock.advance(30_000);
    pool.live = 1;
    clock.advance(30_000);
    assert.deepEqual(
      gauges.map(({ live }) => live),
      [0, 2],
    );
    clock.advance(rollupMs);
    assert.deepEqual(gauges.at(-1), { live: 1, waiting: 0, memoryBytes: 0 });
    const before = gauges.length;
    overview.close();
    clock.advance(10 * rollupMs);
    assert.equal(gauges.length, before);
  });

  it("is told again after the ledger could not take it", async () => {
    const { overview, gauges, pool, fail } = watched();
    pool.live = 4;
    fail(true);
    await overview.look();
    fail(false);
    await overview.look();
    assert.deepEqual(
      gauges.map(({ live }) => live),
      [0, 4],
    );
  });
});
