import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import type { Hold, Trouble } from "../../src/gateway/index.ts";
import { isHold, Parking } from "../../src/sessions/parking.ts";
import { ManualClock } from "./manual-clock.ts";

const hour = 3_600_000;
/** ms over which those that wake together are spread. */
const spread = { limit: 2000, authentication: 30_000, billing: 30_000 };

/** A session's parking place, beside a line to the model's API whose troubles the test tells. */
function place() {
  const clock = new ManualClock();
  /** ms by which the wall clock has jumped. */
  let jump = 0;
  const listeners = new Set<() => void>();
  let line: Trouble | null = null;
  const source = {
    remainingMs: () => (isHold(line) ? Math.max(0, line.until - wall.now()) : 0),
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const wall = {
    now: () => clock.now() + jump,
    monotonic: () => clock.monotonic(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
    every: (ms: number, fn: () => void) => clock.every(ms, fn),
  };
  const parking = new Parking(wall);
  return {
    clock,
    listeners,
    parking,
    hold: (kind: Hold["kind"], until: number): Hold => ({ kind, since: 0, until, message: "closed" }),
    tell: (trouble: Trouble | null) => {
      line = trouble;
      for (const listener of listeners) listener();
    },
    jump: (ms: number) => {
      jump += ms;
    },
    /** Lets time pass, in steps that nobody's timer is longer than. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 10_000) {
        clock.advance(Math.min(left, 10_000));
        await settle();
      }
    },
    /** Parks, and tells whether that is over. */
    park(hold: Hold) {
      line = hold;
      let over = false;
      void parking.until(hold, source).then(() => {
        over = true;
      });
      return () => over;
    },
  };
}

describe("a parked session", () => {
  for (const kind of ["limit", "authentication", "billing"] as const) {
    it(`wakes when the time has come, a little spread, and not before (${kind})`, async () => {
      const { parking, hold, park, pass, clock, listeners } = place();
      const over = park(hold(kind, hour));
      assert.equal(parking.pause?.until, hour);
      await pass(hour - 1);
      assert.equal(over(), false);
      await pass(1);
      await pass(spread[kind]);
      assert.equal(over(), true);
      assert.deepEqual([parking.pause, clock.timers, listeners.size], [null, 0, 0]);
    });
  }

  it("does not wait for a time that has passed", async () => {
    const { hold, park, pass, clock } = place();
    clock.advance(hour);
    const over = park(hold("limit", hour));
    await pass(spread.limit);
    assert.equal(over(), true);
  });

  it("wakes when the trouble is over, or is of a kind that holds nobody", async () => {
    const passing: Trouble = { kind: "transient", since: 0, until: 2 * hour, message: "busy" };
    for (const trouble of [null, passing]) {
      const { hold, park, tell, clock, listeners } = place();
      const over = park(hold("billing", hour));
      tell(hold("billing", 2 * hour));
      await settle();
      assert.equal(over(), false);
      tell(trouble);
      await settle();
      assert.deepEqual([over(), clock.timers, listeners.size], [true, 0, 0]);
    }
  });

  it("wakes when somebody says that it is worth another look", async () => {
    const { hold, park, parking } = place();
    const over = park(hold("authentication", hour));
    parking.lookAgain();
    await settle();
    assert.equal(over(), true);
  });

  it("can be parked again", async () => {
    const { hold, park, parking, pass } = place();
    parking.lookAgain();
    const first = park(hold("limit", hour));
    parking.lookAgain();
    await settle();
    const second = park(hold("limit", hour));
    await pass(hour - 1);
    assert.deepEqual([first(), second()], [true, false]);
    await pass(1);
    await pass(spread.limit);
    assert.equal(second(), true);
  });

  it("goes by the wall clock, whichever way that jumps", async () => {
    const ahead = place();
    const over = ahead.park(ahead.hold("limit", 10 * hour));
    ahead.jump(10 * hour);
    await ahead.pass(30_000);
    await ahead.pass(spread.limit);
    assert.equal(over(), true);

    const back = place();
    const late = back.park(back.hold("limit", hour));
    back.jump(-hour);
    await back.pass(2 * hour - 1);
    assert.equal(late(), false);
    await back.pass(1);
    await back.pass(spread.limit);
    assert.equal(late(), true);
  });
});
