import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import fc from "fast-check";
import { evictions, Gate, newcomerBytes, Pool, type Tenant } from "../../src/sessions/pool.ts";
import { ManualClock } from "./manual-clock.ts";

describe("a gate", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant({ do: "enter" } as const) },
      { weight: 2, arbitrary: fc.constant({ do: "leave" } as const) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("abort" as const), whom: fc.nat(20) }) },
    ),
    { maxLength: 30 },
  );

  it("never lets more in than there are places, nor leaves a place free while somebody waits", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (places, todo) => {
        const gate = new Gate(places);
        const abort: AbortController[] = [];
        const answers: Array<boolean | undefined> = [];
        // The same by the book: who is inside, who waits in order of arrival, and what each was told.
        let inside = 0;
        const line: number[] = [];
        const expected: Array<boolean | undefined> = [];
        const admit = () => {
          while (inside < places && line.length > 0) {
            inside += 1;
            expected[line.shift() ?? -1] = true;
          }
        };

        for (const step of todo) {
          if (step.do === "enter") {
            const who = abort.push(new AbortController()) - 1;
            expected[who] = answers[who] = undefined;
            void gate.enter(abort[who]?.signal ?? assert.fail()).then((entered) => (answers[who] = entered));
            line.push(who);
          } else if (step.do === "abort") {
            abort[step.whom]?.abort();
            const at = line.indexOf(step.whom);
            if (at !== -1) expected[line.splice(at, 1)[0] ?? -1] = false;
          } else if (inside > 0) {
            gate.leave();
            inside -= 1;
          }
          admit();
          await settle();
          assert.deepEqual(answers, expected);
          assert.equal(gate.waiting, line.length);
        }
      }),
    );
  });

  it("is not entered by who comes aborted", async () => {
    const gate = new Gate(1);
    assert.equal(await gate.enter(AbortSignal.abort()), false);
    assert.equal(await gate.enter(new AbortController().signal), true);
  });

  it("leaves nothing on a signal that lives longer", async () => {
    const gate = new Gate(1);
    const { signal } = new AbortController();
    await gate.enter(signal);
    const waiting = gate.enter(signal);
    assert.equal(getEventListeners(signal, "abort").length, 1);
    gate.leave();
    await waiting;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});

describe("those who should close for others", () => {
  const taken = fc.record({
    untilNext: fc.option(fc.nat(50)),
    bytes: fc.integer({ min: 1, max: 2 * newcomerBytes }),
    yielding: fc.boolean(),
  });
  const cases = fc.tuple(
    fc.array(taken, { maxLength: 12 }),
    fc.nat(6),
    fc.record({
      maxProcesses: fc.integer({ min: 1, max: 12 }),
      memoryBytes: fc.integer({ min: 1, max: 600 }),
    }),
  );
  const total = (each: ReadonlyArray<{ bytes: number }>) => each.reduce((sum, { bytes }) => sum + bytes, 0);

  it("are the idle ones that are needed last: never a busy one, as many as it takes and none more", () => {
    fc.assert(
      fc.property(cases, ([all, waiting, room]) => {
        const chosen = evictions(all, waiting, room);
        const idle = all.filter(({ untilNext, yielding }) => !yielding && untilNext !== null);
        assert.equal(new Set(chosen).size, chosen.length);
        for (const each of chosen) assert.ok(idle.includes(each));
        const soonest = Math.min(...chosen.map(({ untilNext }) => untilNext ?? Number.NaN));
        for (const each of idle) {
          if (!chosen.includes(each)) assert.ok((each.untilNext ?? 0) <= soonest || chosen.length === 0);
        }
        const fitWithout = (gone: typeof chosen) => {
          const staying = all.filter((each) => !each.yielding && !gone.includes(each));
          return (
            staying.length + waiting <= room.maxProcesses &&
            total(staying) + waiting * newcomerBytes <= room.memoryBytes
          );
        };
        if (chosen.length < idle.length) assert.ok(fitWithout(chosen), "there is room then");
        if (chosen.length > 0) assert.ok(!fitWithout(chosen.slice(0, -1)), "one less is not enough");
      }),
      { numRuns: 1000 },
    );
  });

  it("are asked also when nobody waits, because what is there has grown", () => {
    const one = { untilNext: 2, bytes: 60, yielding: false };
    const two = { untilNext: 1, bytes: 60, yielding: false };
    assert.deepEqual(evictions([two, one], 0, { maxProcesses: 9, memoryBytes: 100 }), [one]);
    assert.deepEqual(evictions([two, one], 0, { maxProcesses: 9, memoryBytes: 120 }), []);
  });
});

describe("the pool", () => {
  const room = { maxStarts: 1, memoryBytes: Number.MAX_SAFE_INTEGER };

  /** A chat whose process does what the test says. */
  class Chat implements Tenant {
    untilNext: number | null = null;
    isLeaving = false;
    asked = false;
    answer: boolean | undefined;
    readonly abort = new AbortController();
    readonly chatId: string;
    readonly #onAsked: (chat: Chat) => void;

    constructor(chatId: string, onAsked: (chat: Chat) => void) {
      this.chatId = chatId;
      this.#onAsked = onAsked;
    }

    yieldSlot(): void {
      this.#onAsked(this);
      this.asked = true;
    }
  }

  const steps = fc.array(
    fc.record({ do: fc.constantFrom("come", "come", "rest", "work", "end", "give up"), whom: fc.nat(10) }),
    { minLength: 5, maxLength: 40 },
  );

  it("keeps the limit, the order of arrival, and asks just enough idle ones to close", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (maxProcesses, todo) => {
        const pool = new Pool({ ...room, maxProcesses }, new ManualClock());
        let failure: unknown;
        let holders: Chat[] = [];
        let line: Chat[] = [];
        const pick = (from: Chat[], whom: number) => from[whom % from.length];

        for (const [time, { do: what, whom }] of todo.entries()) {
          if (what === "come") {
            const chat = new Chat(`${time}`, (asked) => {
              assert.ok(!asked.asked, "is asked once");
              assert.notEqual(asked.untilNext, null, "is not working");
              const others = holders.filter((other) => other.asked).length;
              assert.ok(others < line.length, "has somebody to make room for");
              const later = holders.filter(({ untilNext }) => (untilNext ?? 0) > (asked.untilNext ?? 0));
              assert.ok(
                later.every((other) => other.asked),
                "is the one that is needed last",
              );
            });
            line.push(chat);
            pool.acquire(chat, chat.abort.signal).then(
              (granted) => (chat.answer = granted),
              (error) => (failure ??= error),
            );
          } else if (what === "give up") {
            const chat = pick(line, whom);
            chat?.abort.abort();
            line = line.filter((other) => other !== chat);
          } else {
            // Who was asked to close ends and does nothing else.
            const chat = pick(what === "end" ? holders : holders.filter(({ asked }) => !asked), whom);
            if (chat === undefined) continue;
            if (what === "rest") chat.untilNext ??= todo.length - time;
            if (what === "work") chat.untilNext = null;
            if (what === "rest") pool.makeRoom();
            if (what !== "end") continue;
            holders = holders.filter((other) => other !== chat);
            pool.release(chat);
          }
          await settle();
          assert.ifError(failure);

          while (holders.length < maxProcesses) {
            const next = line.shift();
            if (next === undefined) break;
            assert.equal(next.answer, true, "gets the free slot in its turn");
            holders.push(next);
          }
          assert.ok(
            line.every(({ answer }) => answer === undefined),
            "waits while all slots are taken",
          );
          assert.deepEqual(
            line.map((chat) => pool.position(chat)),
            line.map((_, at) => at + 1),
          );
          assert.ok(holders.every((chat) => pool.position(chat) === null));
          assert.equal(pool.isContended, line.length > 0);
          const idle = holders.filter(({ untilNext }) => untilNext !== null).length;
          const asked = holders.filter((chat) => chat.asked).length;
          assert.ok(asked >= Math.min(line.length, idle), "an idle one closes for each who waits");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("has a busy one give way to who has waited for longer than its next message, one for each", async () => {
    const clock = new ManualClock();
    const pool = new Pool({ ...room, maxProcesses: 2 }, clock);
    const [a, b, late, later] = ["a", "b", "late", "later"].map((name) => new Chat(name, () => {}));
    assert.ok(a && b && late && later);
    for (const busy of [a, b]) {
      const entered = pool.acquire(busy, busy.abort.signal);
      assert.equal(pool.position(busy), null);
      await entered;
    }
    assert.equal(pool.givesWay(a, 0), false);

    clock.advance(10);
    const waiting = pool.acquire(late, late.abort.signal);
    assert.equal(pool.givesWay(a, 9), false);
    assert.deepEqual([pool.givesWay(a, 11), pool.givesWay(b, 11), pool.givesWay(a, 12)], [true, false, true]);
    void pool.acquire(later, later.abort.signal);
    assert.equal(pool.givesWay(b, 12), true);

    pool.release(a);
    await waiting;
    later.abort.abort();
    await settle();
    assert.equal(pool.givesWay(b, 13), false);

    // Who gave way once and waits again has others give way to it.
    void pool.acquire(a, a.abort.signal);
    assert.equal(pool.givesWay(b, 13), true);
  });

  it("can grow, and lets in who waits; or shrink, and has idle ones close until it fits", async () => {
    const pool = new Pool({ ...room, maxProcesses: 1 }, new ManualClock());
    const [first, second, third] = ["1", "2", "3"].map((name) => new Chat(name, () => {}));
    assert.ok(first && second && third);
    await pool.acquire(first, first.abort.signal);
    const waiting = [second, third].map((chat) => pool.acquire(chat, chat.abort.signal));
    pool.resize({ ...room, maxProcesses: 3 });
    assert.deepEqual(await Promise.all(waiting), [true, true]);
    assert.equal(pool.isContended, false);

    first.untilNext = 10;
    third.untilNext = 99;
    pool.resize({ ...room, maxProcesses: 2 });
    assert.deepEqual([first.asked, second.asked, third.asked], [false, false, true]);
    pool.resize({ ...room, maxProcesses: 1 });
    assert.deepEqual([first.asked, second.asked], [true, false]);
  });

  it("does not let a slot be released twice, or by who has none", async () => {
    const pool = new Pool({ ...room, maxProcesses: 1 }, new ManualClock());
    const [first, second, third] = ["1", "2", "3"].map((name) => new Chat(name, () => {}));
    assert.ok(first && second && third);
    pool.release(first);
    await pool.acquire(first, first.abort.signal);
    const next = pool.acquire(second, second.abort.signal);
    pool.release(first);
    pool.release(first);
    assert.equal(await next, true);
    void pool.acquire(third, third.abort.signal);
    await settle();
    assert.equal(pool.position(third), 1);
  });

  it("bounds starts on their own", async () => {
    const pool = new Pool({ ...room, maxProcesses: 5 }, new ManualClock());
    const { signal } = new AbortController();
    await pool.starts.enter(signal);
    void pool.starts.enter(signal);
    assert.equal(pool.starts.waiting, 1);
    assert.equal(pool.waiting, 0);
  });

  it("lets nobody in beyond the memory, by what the others take", async () => {
    const memoryBytes = 4 * newcomerBytes;
    const pool = new Pool({ ...room, maxProcesses: 9, memoryBytes }, new ManualClock());
    const asked: string[] = [];
    const come = (name: string) => {
      const chat = new Chat(name, () => asked.push(name));
      void pool.acquire(chat, chat.abort.signal).then((granted) => (chat.answer = granted));
      return chat;
    };
    const [a, b, c] = [come("a"), come("b"), come("c")];
    assert.equal(pool.bytes, 3 * newcomerBytes, "until they are weighed");
    pool.weighed(
      new Map([
        [a, 2 * newcomerBytes],
        [b, newcomerBytes],
        [c, newcomerBytes / 2],
      ]),
    );
    assert.deepEqual([pool.live, pool.bytes, pool.bytesOf(c)], [3, 3.5 * newcomerBytes, newcomerBytes / 2]);
    const d = come("d");
    await settle();
    assert.deepEqual([d.answer, pool.position(d), asked], [undefined, 1, []]);
    a.untilNext = 1;
    pool.makeRoom();
    assert.deepEqual(asked, ["a"]);
    pool.makeRoom();
    assert.deepEqual(asked, ["a"], "once");
    pool.release(a);
    await settle();
    assert.equal(d.answer, true);
    pool.weighed(new Map([[a, 9 * newcomerBytes]]));
    assert.equal(pool.bytesOf(a), null, "who has left is not counted");
  });

  it("lets one in however little memory there is, or nobody ever would be", async () => {
    const pool = new Pool({ ...room, maxProcesses: 9, memoryBytes: 1 }, new ManualClock());
    const [first, second] = ["1", "2"].map((name) => new Chat(name, () => {}));
    assert.ok(first && second);
    assert.equal(await pool.acquire(first, first.abort.signal), true);
    void pool.acquire(second, second.abort.signal);
    pool.weighed(new Map([[first, 1000]]));
    assert.equal(pool.position(second), 1);
  });

  it("asks idle ones to close when what is there has grown beyond the memory", async () => {
    const pool = new Pool({ ...room, maxProcesses: 9, memoryBytes: 10 * newcomerBytes }, new ManualClock());
    const asked: string[] = [];
    const chats = ["busy", "idle", "idle for longer"].map((name) => new Chat(name, () => asked.push(name)));
    const [busy, idle, longer] = chats;
    assert.ok(busy && idle && longer);
    for (const chat of chats) await pool.acquire(chat, chat.abort.signal);
    [idle.untilNext, longer.untilNext] = [1, 2];
    pool.weighed(new Map([[busy, 9 * newcomerBytes]]));
    assert.deepEqual(asked, ["idle for longer"]);
    pool.weighed(
      new Map([
        [busy, 9 * newcomerBytes],
        [idle, newcomerBytes],
        [longer, newcomerBytes],
      ]),
    );
    assert.deepEqual(asked, ["idle for longer"]);
  });

  it("asks nobody to close for the sake of one that is about to go in any case", async () => {
    const pool = new Pool({ ...room, maxProcesses: 2, memoryBytes: 10 * newcomerBytes }, new ManualClock());
    const asked: string[] = [];
    const come = (name: string) => {
      const chat = new Chat(name, () => asked.push(name));
      void pool.acquire(chat, chat.abort.signal);
      return chat;
    };
    const [runaway, idle] = [come("runaway"), come("idle")];
    idle.untilNext = 1;
    runaway.isLeaving = true;
    pool.weighed(new Map([[runaway, 99 * newcomerBytes]]));
    come("waiting");
    assert.deepEqual(asked, []);
    assert.equal(pool.givesWay(idle, Infinity), false);
    come("waiting too");
    assert.deepEqual(asked, ["idle"]);
  });

  it("says how many could come at once, by their number and by memory", async () => {
    const pool = new Pool({ ...room, maxProcesses: 3, memoryBytes: 3.5 * newcomerBytes }, new ManualClock());
    const chat = new Chat("first", () => {});
    assert.deepEqual([pool.free, pool.has(chat)], [3, false]);
    await pool.acquire(chat, chat.abort.signal);
    assert.deepEqual([pool.free, pool.has(chat)], [2, true]);
    pool.weighed(new Map([[chat, 2 * newcomerBytes]]));
    assert.equal(pool.free, 1);
    pool.weighed(new Map([[chat, 9 * newcomerBytes]]));
    assert.equal(pool.free, 0);
  });
});
