import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { untilNext as estimated } from "../../src/sessions/rhythm.ts";

const minute = 60_000;
/** Of a process that has done nothing since the last message. */
const untilNext = (times: readonly number[], now: number) => estimated(times, now, Number.MAX_SAFE_INTEGER);

describe("a chat's next message", () => {
  const steady = [0, 10, 20.5, 30].map((time) => time * minute);

  it("is due when the interval is over, of a chat that keeps to one", () => {
    assert.equal(untilNext(steady, 31 * minute), 8.5 * minute);
    assert.equal(untilNext(steady, 39 * minute), 0.5 * minute);
    assert.equal(untilNext(steady, 40.5 * minute), 0);
  });

  it("is as far away as the last one, when the interval is long over", () => {
    assert.equal(untilNext(steady, 50 * minute), 20 * minute);
  });

  it("is as far away as the last one, of a chat that keeps to no interval or is young", () => {
    for (const times of [[0, 1, 20, 30], [0, 1, 1.5, 2.5], [10, 20, 30], [30]])
      assert.equal(
        untilNext(
          times.map((time) => time * minute),
          33 * minute,
        ),
        (33 - (times.at(-1) ?? 0)) * minute,
      );
  });

  it("is as far away as the process has rested, when that is less: it was woken, or has worked for long", () => {
    assert.equal(estimated([30 * minute], 90 * minute, 2 * minute), 2 * minute);
    assert.equal(estimated([], 90 * minute, 2 * minute), 2 * minute);
    assert.equal(estimated(steady, 31 * minute, 0), 8.5 * minute);
  });

  it("is never in the past, whatever the clock did, and as recency says for all who keep to no interval", () => {
    const times = fc.array(fc.nat(1000), { maxLength: 4 });
    fc.assert(
      fc.property(times, fc.nat(2000), (times, now) => {
        const wait = estimated(times, now, 2000);
        assert.ok(wait >= 0 && wait <= 2000);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }), fc.nat(1000), (times, later) => {
        const sorted = times.toSorted((a, b) => a - b);
        const last = sorted.at(-1) ?? 0;
        assert.equal(untilNext(sorted, last + later), later);
      }),
    );
  });
});
