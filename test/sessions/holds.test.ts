import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import { Holds } from "../../src/sessions/holds.ts";

/** Holds whose calls are written down. */
function session(calledOff: Promise<unknown> = Promise.resolve()) {
  const trace: string[] = [];
  const holds = new Holds({
    onHeld: () => calledOff,
    onReleased: () => trace.push("released"),
  });
  /** Work that is under way until the test says so. */
  const work = (name: string) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const run = async () => {
      trace.push(`${name} begins`);
      return await promise;
    };
    return { run, end: () => resolve(name), fail: () => reject(new Error(name)) };
  };
  return { holds, trace, work };
}

describe("who holds a session", () => {
  it("holds it from the moment of asking, and begins when what must not go on has been called off", async () => {
    const calledOff = Promise.withResolvers<void>();
    const { holds, trace, work } = session(calledOff.promise);
    const stop = work("stop");
    const stopped = holds.hold(stop.run);
    await settle();
    assert.equal(holds.held, true);
    assert.deepEqual(trace, []);
    calledOff.resolve();
    stop.end();
    assert.equal(await stopped, "stop");
    assert.equal(holds.held, false);
    assert.deepEqual(trace, ["stop begins", "released"]);
  });

  it("goes past every other action if it is a stop", async () => {
    const { holds, trace, work } = session();
    const close = work("close");
    const closed = holds.exclusive(close.run);
    assert.equal(await holds.hold(async () => "stopped"), "stopped");
    assert.deepEqual(trace, ["close begins"]);
    close.end();
    await closed;
    assert.deepEqual(trace, ["close begins", "released"]);
  });

  it("waits for the other actions if it is none, also for those that fail", async () => {
    const { holds, trace, work } = session();
    const [close, reset] = [work("close"), work("reset")];
    const closed = holds.exclusive(close.run);
    const done = holds.exclusive(reset.run);
    await settle();
    assert.deepEqual(trace, ["close begins"]);
    close.fail();
    await assert.rejects(closed, /close/);
    await settle();
    assert.deepEqual(trace, ["close begins", "reset begins"]);
    assert.equal(holds.held, true);
    reset.end();
    assert.equal(await done, "reset");
    assert.deepEqual(trace, ["close begins", "reset begins", "released"]);
  });

  it("lets whoever waits for the release go on when nobody holds it any more", async () => {
    const { holds, work } = session();
    await holds.released;
    const [first, second] = [work("first"), work("second")];
    const both = [holds.hold(first.run), holds.hold(second.run)];
    let free = false;
    const released = holds.released.then(() => (free = true));
    first.end();
    await both[0];
    await settle();
    assert.equal(free, false);
    second.end();
    await both[1];
    await released;
    await holds.released;
  });

  it("is told when nothing that it waits for will come any more, and then nothing more begins", async () => {
    const { holds, trace, work } = session();
    const held = [
      holds.hold(work("stop").run),
      holds.exclusive(work("close").run),
      holds.exclusive(work("reset").run),
    ];
    await settle();
    holds.abandon(new Error("the session crashed"));
    for (const each of held) await assert.rejects(each, /the session crashed/);
    assert.equal(holds.held, false);
    await assert.rejects(holds.hold(work("late").run), /the session crashed/);
    await settle();
    assert.deepEqual(trace, ["stop begins", "close begins", "released", "released"]);
  });
});
