import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RateLimit, refilled } from "../../src/sessions/rate.ts";
import { ManualClock } from "./manual-clock.ts";

describe("a limit on how fast messages may come", () => {
  it("lets a minute's worth through at once, and then one each time that one has come back", () => {
    const clock = new ManualClock();
    const limit = new RateLimit({ chat: 6, all: null }, clock);
    const through = (n: number) =>
      Array.from({ length: n }, () => limit.take("a") !== null).filter(Boolean).length;
    assert.equal(through(20), 6);
    clock.advance(9_999);
    assert.equal(through(5), 0);
    clock.advance(1);
    assert.equal(through(5), 1);
    clock.advance(3_600_000);
    assert.equal(through(20), 6);
  });

  it("is each chat's own, and that of all", () => {
    const limit = new RateLimit({ chat: 2, all: 3 }, new ManualClock());
    const taken = ["a", "a", "a", "b", "b"].map((chatId) => limit.take(chatId) !== null);
    assert.deepEqual(taken, [true, true, false, true, false]);
  });

  it("is none where none is set", () => {
    const limit = new RateLimit({ chat: null, all: null }, new ManualClock());
    for (let n = 0; n < 10_000; n += 1) assert.ok(limit.take("a"));
  });

  it("counts nothing that was not accepted after all", () => {
    const limit = new RateLimit({ chat: 1, all: 1 }, new ManualClock());
    limit.take("a")?.giveBack();
    assert.ok(limit.take("a"));
    assert.equal(limit.take("a"), null);
  });

  it("never lets more through in any time than fit into it, and a minute's worth", () => {
    const steps = fc.array(fc.nat(30_000), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 20 }), (pauses, perMinute) => {
        const clock = new ManualClock();
        const limit = new RateLimit({ chat: perMinute, all: null }, clock);
        let passed = 0;
        let through = 0;
        for (const ms of pauses) {
          clock.advance(ms);
          passed += ms;
          for (let n = 0; n < 3; n += 1) if (limit.take("a") !== null) through += 1;
          assert.ok(through <= perMinute + (passed * perMinute) / 60_000 + 1e-6);
        }
      }),
    );
  });

  it("fills up again to a minute's worth and no further", () => {
    assert.deepEqual(refilled(undefined, 6, 5), { left: 6, at: 5 });
    assert.deepEqual(refilled({ left: 0, at: 0 }, 6, 10_000), { left: 1, at: 10_000 });
    assert.deepEqual(refilled({ left: 5, at: 0 }, 6, 60_000), { left: 6, at: 60_000 });
  });
});
