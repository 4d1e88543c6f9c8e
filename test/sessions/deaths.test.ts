import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Deaths } from "../../src/sessions/deaths.ts";
import { quarantine } from "../../src/sessions/health.ts";
import { ManualClock } from "./manual-clock.ts";

const short = { worked: false, lived: 1000, reason: "it did not start up" };

function session(inARow = 0) {
  const clock = new ManualClock();
  let left = 0;
  const deaths = new Deaths(clock, inARow, () => {
    left += 1;
  });
  /** Whether the last of so many deaths, one right after the other, puts it into quarantine. */
  const die = (times: number) => Array.from({ length: times }, () => deaths.note(short)).at(-1);
  return { clock, deaths, die, left: () => left };
}

describe("the deaths of a session's processes", () => {
  it("delay the next start more and more, from the first one on", () => {
    const { deaths, die } = session();
    const delays = [0, 1, 2, 3].map((at) => {
      if (at > 0) die(1);
      return deaths.delayBeforeNext;
    });
    assert.deepEqual(delays, [0, 250, 1000, 4000]);
  });

  it("are counted on from those that crashed the session itself", () => {
    assert.equal(session(2).deaths.delayBeforeNext, 1000);
  });

  it("delay it little when the process had worked, or lived long", () => {
    for (const death of [
      { ...short, worked: true },
      { ...short, lived: 60_001 },
    ]) {
      const { deaths, die } = session();
      die(3);
      deaths.note(death);
      assert.equal(deaths.delayBeforeNext, 250);
    }
  });

  it("are forgotten when a turn has come to its answer", () => {
    const { deaths, die } = session();
    die(quarantine.deaths - 1);
    deaths.noteSuccess();
    assert.equal(deaths.delayBeforeNext, 0);
    assert.equal(die(quarantine.deaths - 1), false);
  });

  it("are followed at once by another process, but not for ever", () => {
    const { deaths, die } = session();
    const replaceable = [1, 2, 3, 4].map(() => {
      die(1);
      return deaths.replaceable;
    });
    assert.deepEqual(replaceable, [true, true, true, false]);
  });

  it("put it into quarantine when they are too many within the window, and say so once", () => {
    const { deaths, die } = session();
    assert.equal(die(quarantine.deaths - 1), false);
    assert.equal(deaths.quarantine?.reason, undefined);
    assert.equal(die(1), true);
    assert.deepEqual([deaths.quarantine?.reason, deaths.replaceable], [short.reason, false]);
    assert.equal(die(1), false);
  });

  it("do not when they are further apart", () => {
    const { clock, die } = session();
    for (let n = 0; n < 3 * quarantine.deaths; n++) {
      clock.advance(quarantine.windowMs / (quarantine.deaths - 1));
      assert.equal(die(1), false);
    }
  });
});

describe("quarantine", () => {
  it("ends by itself after its time, with a clean sheet", () => {
    const { clock, deaths, die, left } = session();
    die(quarantine.deaths);
    const end = clock.now() + quarantine.restMs;
    clock.advance(quarantine.restMs - 1);
    assert.deepEqual([deaths.quarantine?.until, left()], [end, 0]);
    clock.advance(1);
    assert.deepEqual([deaths.quarantine, deaths.delayBeforeNext, left()], [null, 0, 1]);
    assert.equal(die(quarantine.deaths - 1), false);
  });

  it("ends when somebody ends it, once", () => {
    const { clock, deaths, die, left } = session();
    deaths.leave();
    assert.equal(left(), 0);
    die(quarantine.deaths);
    deaths.leave();
    deaths.leave();
    clock.advance(quarantine.restMs);
    assert.deepEqual([deaths.quarantine, left(), clock.timers], [null, 1, 0]);
  });

  it("of a session that is done with ends in silence", () => {
    const { clock, deaths, die, left } = session();
    die(quarantine.deaths);
    deaths.forget();
    assert.deepEqual([deaths.quarantine, left(), clock.timers], [null, 0, 0]);
  });
});

describe("a process that cannot be started", () => {
  it("fails the messages after three times in a row", () => {
    const { deaths } = session();
    assert.deepEqual(
      [1, 2, 3, 4].map(() => deaths.noteFailedStart(false)),
      [false, false, true, false],
    );
  });

  it("is tried again and again when that passes, such as a full disk, and not more seldom each time", () => {
    const { deaths } = session();
    for (let n = 0; n < 100; n++) assert.equal(deaths.noteFailedStart(true), false);
    assert.equal(deaths.delayBeforeNext, 1000);
  });
});
