import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { sleep, systemClock } from "../src/clock.ts";
import { ManualClock } from "./sessions/manual-clock.ts";

const after = (ms: number) => new Promise<void>((resolve) => systemClock.after(ms, resolve));

describe("the system's clock", { timeout: 20_000 }, () => {
  it("calls once after the time, and not before", async () => {
    // Timers do not keep a process alive, so something else must.
    using _alive = keepAlive();
    const begun = systemClock.monotonic();
    await after(20);
    // Timers of Node may be early by a rounded millisecond.
    assert.ok(systemClock.monotonic() - begun >= 19);
  });

  it("calls again and again until it is told to end", async () => {
    using _alive = keepAlive();
    let calls = 0;
    await new Promise<void>((resolve) => {
      const cancel = systemClock.every(1, () => {
        calls += 1;
        if (calls < 3) return;
        cancel();
        resolve();
      });
    });
    await after(20);
    assert.equal(calls, 3);
  });

  it("does not call what was cancelled", async () => {
    using _alive = keepAlive();
    let calls = 0;
    systemClock.after(1, () => (calls += 1))();
    await after(20);
    assert.equal(calls, 0);
  });

  it("never keeps a process alive", async () => {
    const clock = new URL("../src/clock.ts", import.meta.url).href;
    const program = `
      import { sleep, systemClock } from ${JSON.stringify(clock)};
      systemClock.after(3_600_000, () => {});
      systemClock.every(3_600_000, () => {});
      void sleep(systemClock, 3_600_000);
    `;
    const args = ["--input-type=module", "--eval", program];
    await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
  });

  it("tells the wall's time in ms since the epoch", () => {
    assert.ok(Math.abs(systemClock.now() - Date.now()) < 1000);
  });
});

describe("sleep", () => {
  it("ends after its time, not before", async () => {
    const clock = new ManualClock();
    let over = false;
    const slept = sleep(clock, 1000).then(() => (over = true));
    clock.advance(999);
    await new Promise(setImmediate);
    assert.equal(over, false);
    clock.advance(1);
    await slept;
  });

  it("ends at the abort, without an error and without its timer", async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const slept = sleep(clock, 1000, abort.signal);
    abort.abort();
    await slept;
    assert.equal(clock.timers, 0);
  });

  it("does not begin when it is aborted already", async () => {
    const clock = new ManualClock();
    await sleep(clock, 1000, AbortSignal.abort());
    assert.equal(clock.timers, 0);
  });

  it("leaves nothing on a signal that lives longer", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    const slept = sleep(clock, 1000, signal);
    assert.equal(getEventListeners(signal, "abort").length, 1);
    clock.advance(1000);
    await slept;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});

function keepAlive(): Disposable {
  const timer = setInterval(() => {}, 3_600_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
