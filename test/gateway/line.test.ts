import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { TroubleVerdict } from "../../src/gateway/classify.ts";
import { Line, type Ticket, type Trouble } from "../../src/gateway/line.ts";
import { ManualClock } from "../sessions/manual-clock.ts";

const times = {
  firstPauseMs: 500,
  longestPauseMs: 60_000,
  paceMs: 100,
  probeEveryMs: 300_000,
  slowProbeMs: 5_000,
};
const overloaded: TroubleVerdict = { kind: "transient", retryAfterMs: 0, message: "Overloaded" };
const refused: TroubleVerdict = { kind: "authentication", message: "invalid x-api-key" };
const limitUntil = (until: number): TroubleVerdict => ({ kind: "limit", until, message: "used up" });

function setup(random = () => 1) {
  const clock = new ManualClock();
  const line = new Line({ clock, random, times });
  const told: (string | null)[] = [];
  line.onChange((trouble) => told.push(trouble?.kind ?? null));
  const left: { name: string; ticket: Ticket; at: number }[] = [];
  /** One that wants to leave; it may give up. */
  const come = (name: string, probes = true) => {
    const patience = new AbortController();
    const troubles: Trouble["kind"][] = [];
    const entered = line.enter({ probes, told: ({ kind }) => troubles.push(kind) }, patience.signal);
    const leaves = (ticket: Ticket | null) => ticket && left.push({ name, ticket, at: clock.now() });
    if (entered instanceof Promise) void entered.then(leaves);
    else leaves(entered);
    return { giveUp: () => patience.abort(), troubles };
  };
  /** Who has left since the last look. */
  const news = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return left.splice(0);
  };
  const names = async () => (await news()).map(({ name }) => name).join(" ");
  const one = async () => {
    const [first, ...others] = await news();
    assert.ok(first && others.length === 0, "exactly one has left");
    return first.ticket;
  };
  /** A line in trouble. */
  const ailing = async (verdict: TroubleVerdict) => {
    come("first");
    (await one()).failed(verdict);
  };
  return { clock, line, told, come, news, names, one, ailing };
}

describe("an open line", () => {
  test("lets everybody leave at once", async () => {
    const { come, names, line } = setup();
    for (const name of ["a", "b", "c"]) come(name);
    assert.equal(await names(), "a b c");
    assert.equal(line.trouble, null);
  });
});

describe("a line that backs off", () => {
  test("lets nobody leave before the pause is over, and then one", async () => {
    const { clock, line, come, names, ailing } = setup();
    await ailing(overloaded);
    assert.deepEqual(line.trouble, { kind: "transient", since: 0, until: 500, message: "Overloaded" });
    come("a");
    come("b");
    clock.advance(499);
    assert.equal(await names(), "");
    clock.advance(1);
    assert.equal(await names(), "a");
    clock.advance(times.slowProbeMs - 1);
    assert.equal(await names(), "", "the others wait for what the probe finds");
  });

  test("lets the next one probe beside a probe that says nothing, and is opened by whichever is answered", async () => {
    for (const answered of ["a", "b"]) {
      const { clock, line, told, come, news, names, ailing } = setup();
      await ailing(overloaded);
      for (const name of ["a", "b", "c", "d"]) come(name);
      clock.advance(500);
      clock.advance(times.slowProbeMs);
      const probes = await news();
      assert.equal(probes.map(({ name }) => name).join(" "), "a b");
      probes.find(({ name }) => name === answered)?.ticket.well();
      assert.equal(told.at(-1), null);
      assert.equal(await names(), "c");
      for (const { name, ticket } of probes) if (name !== answered) ticket.failed(overloaded);
      assert.equal(
        line.trouble?.until,
        clock.now() + 500,
        "one that hung for its own reasons costs a first pause",
      );
    }
  });

  test("makes its pause longer when a probe fails after the next one has left", async () => {
    const { clock, line, come, news, names, ailing } = setup();
    await ailing(overloaded);
    for (const name of ["a", "b", "c"]) come(name);
    clock.advance(500);
    clock.advance(times.slowProbeMs);
    const [a, b] = await news();
    a?.ticket.failed(overloaded);
    assert.equal(line.trouble?.until, clock.now() + 1000);
    a?.ticket.leave();
    clock.advance(1000);
    assert.equal(await names(), "", "the newer probe is still waited for");
    b?.ticket.leave();
    assert.equal(await names(), "c");
  });

  test("doubles its pause with each failed probe, up to 60 s, with full jitter", async () => {
    const luck = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(luck, async (luck) => {
        let at = 0;
        const { clock, line, come, one } = setup(() => luck[at++] ?? 0);
        for (const [n, share] of luck.entries()) {
          come("a");
          (await one()).failed(overloaded);
          const pause = share * Math.min(60_000, 500 * 2 ** n);
          assert.equal(line.trouble?.until, clock.now() + pause);
          clock.advance(pause + 1);
        }
      }),
      { numRuns: 20 },
    );
  });

  test("waits as long as the API says, and the jitter on top", async () => {
    const { line, ailing } = setup();
    await ailing({ ...overloaded, retryAfterMs: 7_000 });
    assert.equal(line.trouble?.until, 7_500);
  });

  test("counts requests that fail together as one failure", async () => {
    const { line, come, news, told } = setup();
    for (const name of ["a", "b", "c"]) come(name);
    for (const { ticket } of await news()) ticket.failed(overloaded);
    assert.equal(line.trouble?.until, 500);
    assert.deepEqual(told, ["transient"]);
  });

  test("is not opened by a request that left earlier", async () => {
    const { line, come, news } = setup();
    come("a");
    come("b");
    const [a, b] = await news();
    a?.ticket.failed(overloaded);
    b?.ticket.well();
    assert.equal(line.trouble?.kind, "transient");
  });

  test("opens when the probe is answered, and lets go who waited in growing steps", async () => {
    const { clock, line, told, come, names, one, ailing } = setup();
    await ailing(overloaded);
    for (let n = 1; n <= 9; n += 1) come(String(n));
    clock.advance(500);
    (await one()).well();
    assert.equal(line.trouble, null);
    assert.equal(await names(), "2");
    come("new");
    assert.equal(await names(), "", "who comes now stands behind them");
    clock.advance(100);
    assert.equal(await names(), "3 4");
    clock.advance(100);
    assert.equal(await names(), "5 6 7 8");
    clock.advance(100);
    assert.equal(await names(), "9 new");
    assert.deepEqual(told, ["transient", null]);
    assert.equal(clock.timers, 0);
  });

  test("lets the next probe when one leaves without an outcome", async () => {
    const { clock, come, names, one, ailing } = setup();
    await ailing(overloaded);
    come("a");
    come("b");
    clock.advance(500);
    (await one()).leave();
    assert.equal(await names(), "b");
  });

  test("forgets who gives up, and sets no timer for nobody", async () => {
    const { clock, come, names, ailing } = setup();
    await ailing(overloaded);
    assert.equal(clock.timers, 0);
    const a = come("a");
    assert.equal(clock.timers, 1);
    a.giveUp();
    assert.equal(clock.timers, 0);
    clock.advance(500);
    assert.equal(await names(), "");
  });

  test("lets those leave that do not run the model when the time has come, and learns nothing from them", async () => {
    const { clock, line, come, news, names, ailing } = setup();
    await ailing(overloaded);
    come("count", false);
    assert.equal(await names(), "");
    clock.advance(500);
    const [count] = await news();
    assert.equal(count?.name, "count");
    count?.ticket.well();
    assert.equal(line.trouble?.kind, "transient");
  });
});

describe("a held line", () => {
  test("lets one leave at the time that the limit names, also over days", async () => {
    const { clock, line, come, names, ailing } = setup();
    const day = 86_400_000;
    await ailing(limitUntil(30 * day));
    const { troubles } = come("a");
    assert.deepEqual(troubles, ["limit"]);
    clock.advance(30 * day - 1);
    assert.equal(await names(), "");
    clock.advance(1);
    assert.equal(await names(), "a");
    assert.equal(line.trouble?.until, 30 * day);
  });

  test("tells who comes when its time is over nothing, and lets one of them try", async () => {
    const { clock, line, come, names, ailing } = setup();
    await ailing(limitUntil(10_000));
    assert.equal(line.holdMs, 10_000);
    clock.advance(10_000);
    assert.equal(line.holdMs, 0);
    const probe = come("a");
    assert.deepEqual([await names(), probe.troubles], ["a", []]);
  });

  test("sees within a minute that the wall clock has reached the limit's time", async () => {
    const { clock, come, names, ailing } = setup();
    await ailing(limitUntil(7_200_000));
    come("a");
    clock.now = () => clock.monotonic() + 7_200_000; // The machine has slept.
    clock.advance(60_000);
    assert.equal(await names(), "a");
  });

  test("is told again only when a limit names another time", async () => {
    const { clock, told, come, one, ailing } = setup();
    await ailing(limitUntil(100_000));
    come("a");
    clock.advance(100_000);
    (await one()).failed(limitUntil(300_000));
    come("b");
    clock.advance(200_000);
    (await one()).well();
    assert.deepEqual(told, ["limit", "limit", null]);
  });

  test("asks every 5 minutes whether a refused credential is taken, and is told once", async () => {
    const { clock, line, told, come, one, ailing } = setup();
    await ailing(refused);
    for (const verdict of [refused, overloaded, refused]) {
      come("a");
      clock.advance(300_000);
      (await one()).failed(verdict);
      assert.deepEqual([line.trouble?.kind, line.trouble?.since], ["authentication", 0]);
      assert.equal(line.trouble?.message, "invalid x-api-key");
      assert.equal(line.trouble?.until, clock.now() + 300_000);
    }
    assert.deepEqual(told, ["authentication"]);
  });

  test("takes the place of a back-off, and tells those who wait", async () => {
    const { line, come, news } = setup();
    for (const name of ["a", "b"]) come(name);
    const [a, b] = await news();
    a?.ticket.failed(overloaded);
    const waiting = come("c");
    b?.ticket.failed(limitUntil(500_000));
    assert.deepEqual(waiting.troubles, ["transient", "limit"]);
    assert.equal(line.trouble?.until, 500_000);
  });

  test("backs off when its time is over and the API is merely overloaded", async () => {
    const { clock, line, come, one, ailing } = setup();
    await ailing(limitUntil(100_000));
    come("a");
    clock.advance(100_000);
    (await one()).failed(overloaded);
    assert.deepEqual([line.trouble?.kind, line.trouble?.until], ["transient", 100_500]);
  });
});
