import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { judge, restartDelayMs, type Snapshot } from "../../src/sessions/health.ts";

const limits = { idleMs: 7_200_000 };
const now = 10_000_000;
const well: Snapshot = { answered: true, failuresInARow: 0, idleSince: null };

describe("a process", () => {
  it("is healthy while it answers, works, and fails less than three times in a row", () => {
    assert.deepEqual(judge(well, now, limits), { verdict: "healthy" });
    assert.deepEqual(judge({ ...well, failuresInARow: 2 }, now, limits), { verdict: "healthy" });
    assert.deepEqual(judge({ ...well, idleSince: now }, now, limits), { verdict: "healthy" });
  });

  it("is sick after three failures in a row", () => {
    assert.deepEqual(judge({ ...well, failuresInARow: 3 }, now, limits), {
      verdict: "sick",
      reason: "3 turns failed in a row",
    });
  });

  it("is sick when it does not answer, however long it was idle", () => {
    const silent = { answered: false, failuresInARow: 0, idleSince: 0 };
    assert.deepEqual(judge(silent, now, limits), { verdict: "sick", reason: "it does not answer" });
  });

  it("is unused when it was idle for the limit, not a moment before, and never while it works", () => {
    const idle = (ms: number) => judge({ ...well, idleSince: now - ms }, now, limits).verdict;
    assert.equal(idle(limits.idleMs - 1), "healthy");
    assert.equal(idle(limits.idleMs), "unused");
    assert.equal(judge(well, Number.MAX_SAFE_INTEGER, limits).verdict, "healthy");
  });

  it("that is sick is not only closed as unused: its session goes on", () => {
    const sick = { answered: true, failuresInARow: 3, idleSince: now - limits.idleMs };
    assert.equal(judge(sick, now, limits).verdict, "sick");
  });
});

describe("the next start", () => {
  it("is at once after no death, then slower each time, up to 4 s", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5].map(restartDelayMs), [0, 250, 1000, 4000, 4000, 4000]);
  });

  it("is never further away than 4 s, nor nearer than after one death less", () => {
    fc.assert(
      fc.property(fc.nat(), (deaths) => {
        assert.ok(restartDelayMs(deaths) <= 4000);
        assert.ok(restartDelayMs(deaths + 1) >= restartDelayMs(deaths));
      }),
    );
  });
});
