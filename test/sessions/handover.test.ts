import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { QueueMode, Sender } from "../../src/ledger/index.ts";
import { currentUuid, type Entry, inHand, type Phase, sendOf } from "../../src/sessions/entry.ts";
import { burst, couldJoin, type Handover, handover } from "../../src/sessions/handover.ts";
import { entry } from "./message.ts";

const fits = (sender: Sender | null) => sender?.name !== "other";
const wayOf = ({ message }: Entry) => JSON.stringify([message.channel, message.route]);

interface Lot {
  entries: Entry[];
  mode: QueueMode;
  now: number;
}

const modes = fc.constantFrom<QueueMode>("steer", "queue", "collect", "interrupt");
const phases = fc.constantFrom<Phase>("queued", "pending", "charged", "handed", "taken");

interface Given {
  phase: Phase;
  channel: string | null;
  route: string;
  welcome: boolean;
  since: number;
  /** Charged under the same uuid as the one before. */
  joined: boolean;
  /** The type of its attachment. */
  attached: string | null;
}

/** Open messages in the order of acceptance. What is in hand goes one way, and what is one parcel has one way and phase. */
const lots: fc.Arbitrary<Lot> = fc.record({
  entries: fc
    .array(
      fc.record({
        phase: phases,
        channel: fc.constantFrom(null, null, "webhook"),
        route: fc.constantFrom("here", "here", "there"),
        welcome: fc.constantFrom(true, true, true, false),
        since: fc.nat(15_000),
        joined: fc.boolean(),
        attached: fc.constantFrom(null, null, null, "image/png", "application/pdf"),
      }),
      { maxLength: 8 },
    )
    .map(entriesOf),
  mode: modes,
  now: fc.nat(30_000),
});

function entriesOf(all: readonly Given[]): Entry[] {
  const entries: Entry[] = [];
  const inOrder = all.toSorted((a, b) => Number(isInside(b.phase)) - Number(isInside(a.phase)));
  for (const [at, { phase, channel, route, welcome, since, joined, attached }] of inOrder.entries()) {
    const attachments = attached === null ? [] : [{ name: "a", type: attached, bytes: 1 }];
    const way = isInside(phase) ? { channel: null, route: "here" } : { channel, route };
    const sender = { id: "1", name: welcome ? "welcome" : "other" };
    const made = { ...entry(phase, { id: `${at}`, sender, attachments, ...way }), since };
    const before = entries.at(-1);
    const together =
      joined &&
      phase === "charged" &&
      before?.phase === "charged" &&
      wayOf(before) === wayOf(made) &&
      fits(before.message.sender) === welcome;
    if (phase !== "queued") made.tries.push(sendOf(together ? currentUuid(before) : `${at}`, 1));
    entries.push(made);
  }
  return entries;
}

function isInside(phase: Phase): boolean {
  return phase === "handed" || phase === "taken";
}

function check(property: (lot: Lot, next: Handover) => void): void {
  fc.assert(
    fc.property(lots, (lot) => property(lot, handover(lot.entries, { ...lot, fits }))),
    { numRuns: 2000 },
  );
}

function hasDocument({ message }: Entry): boolean {
  return message.attachments.some(({ type }) => type === "application/pdf");
}

function outside(entries: readonly Entry[]): Entry[] {
  return entries.filter((each) => !inHand(each));
}

describe("what is handed over to a process", () => {
  it("is never overtaken: what goes are the first, in the order of acceptance", () => {
    check(({ entries }, { handOver, charge }) => {
      const going = [...handOver, ...charge].flat();
      assert.deepEqual(going, outside(entries).slice(0, going.length));
    });
  });

  it("was charged before it is handed over, and is charged when nothing was before", () => {
    check((_, { handOver, charge }) => {
      assert.ok(handOver.flat().every(({ phase }) => phase === "charged"));
      assert.ok(charge.flat().every(({ phase }) => phase === "queued"));
    });
  });

  it("has one policy and one way with what is in the process's hands", () => {
    check(({ entries }, { handOver, charge }) => {
      const going = [...handOver, ...charge].flat();
      assert.ok(going.every(({ message }) => fits(message.sender)));
      const there = going.length > 0 ? entries.filter(inHand) : [];
      assert.ok(new Set([...there, ...going].map(wayOf)).size <= 1);
    });
  });

  it("brings documents along only in a turn of their own: of what joins one the CLI leaves them out", () => {
    check(({ entries, mode }, { handOver }) => {
      if (mode !== "steer" || handOver.length === 0) return;
      const parcels = [...entries.filter(inHand).map((each) => [each]), ...handOver];
      assert.ok(parcels.length === 1 || !parcels.flat().some(hasDocument));
    });
  });

  it("is one parcel under each uuid", () => {
    check((_, { handOver }) => {
      const uuids = handOver.map((parcel) => new Set(parcel.map(currentUuid)));
      assert.ok(uuids.every(({ size }) => size === 1));
      assert.equal(new Set(uuids.flatMap((each) => [...each])).size, handOver.length);
    });
  });

  it("joins what is in hand only in the mode steer; in the others it is one parcel, and one at a time", () => {
    check(({ entries, mode }, { handOver, charge }) => {
      if (mode === "steer") {
        assert.ok(charge.every(({ length }) => length === 1));
        return;
      }
      assert.ok(handOver.length + charge.length <= 1);
      if (entries.some(inHand)) assert.deepEqual([handOver, charge], [[], []]);
      if (mode === "queue") assert.ok(charge.flat().length <= 1);
    });
  });

  it("is all that may go: what stays has a reason", () => {
    check(({ entries, mode }, next) => {
      const going = [...next.handOver, ...next.charge].flat();
      const stays = outside(entries)[going.length];
      if (stays === undefined) return;
      const [there] = [...entries.filter(inHand), ...going];
      // One that is charged goes behind those before it that are not.
      const waitsForLedger =
        stays.phase === "pending" || (stays.phase === "charged" && next.charge.length > 0);
      const otherPolicy = !fits(stays.message.sender);
      const otherWay = there !== undefined && wayOf(there) !== wayOf(stays);
      const waitsForTurn = there !== undefined && mode !== "steer";
      const waitsForMore = next.lookAgainAt !== null;
      // Those that were charged with it go with it.
      const withIt = outside(entries).filter((each) => currentUuid(each) === currentUuid(stays));
      const documents =
        there !== undefined && [...entries.filter(inHand), ...going, ...withIt].some(hasDocument);
      assert.ok(waitsForLedger || otherPolicy || otherWay || waitsForTurn || waitsForMore || documents);
    });
  });

  it("waits for more only in the mode collect, with nothing in hand, and until a time to come", () => {
    check(({ entries, mode, now }, { lookAgainAt, handOver, charge }) => {
      if (lookAgainAt === null) return;
      assert.deepEqual([mode, handOver, charge], ["collect", [], []]);
      assert.ok(!entries.some(inHand) && lookAgainAt > now);
    });
  });

  it("asks for another process when the next message needs another policy, and nothing is in this one's hands", () => {
    check(({ entries }, { otherPolicy }) => {
      const [first] = outside(entries);
      const needed = first !== undefined && first.phase !== "pending" && !fits(first.message.sender);
      assert.equal(otherPolicy, needed && !entries.some(inHand));
    });
  });
});

describe("what comes while a turn runs", () => {
  const running = entry("taken", { id: "running" });
  const [a, b] = [entry("queued", { id: "a" }), entry("queued", { id: "b" })];
  const next = (mode: QueueMode, ...entries: Entry[]) => handover(entries, { mode, now: 60_000, fits });

  it("joins it (steer)", () => {
    assert.deepEqual(next("steer", running, a, b).charge, [[a], [b]]);
  });

  it("waits for its end when it brings a document, or the turn began with one", () => {
    const attachments = [{ name: "a", type: "text/plain", bytes: 1 }];
    const document = entry("queued", { id: "document", attachments });
    const reading = entry("taken", { id: "reading", attachments });
    assert.deepEqual(next("steer", running, document, a), next("queue", running, a));
    assert.deepEqual(next("steer", reading, a), next("queue", running, a));
    assert.deepEqual(next("steer", document, a).charge, [[document]]);
    assert.deepEqual(next("steer", a, document).charge, [[a]]);
  });

  for (const mode of ["queue", "collect", "interrupt"] as const) {
    it(`waits for its end (${mode})`, () => {
      assert.deepEqual(next(mode, running, a, b).charge, []);
    });
  }

  it("gets a turn of its own, one after the other (queue)", () => {
    assert.deepEqual(next("queue", a, b).charge, [[a]]);
    const charged = { ...a, phase: "charged" as const };
    assert.deepEqual(next("queue", charged, b), {
      ...next("queue"),
      handOver: [[charged]],
    });
  });

  for (const mode of ["collect", "interrupt"] as const) {
    it(`is one turn together, up to the first that goes another way or needs another policy (${mode})`, () => {
      const elsewhere = entry("queued", { id: "elsewhere", route: "there" });
      const other = entry("queued", { id: "other", sender: { id: "2", name: "other" } });
      assert.deepEqual(next(mode, a, b).charge, [[a, b]]);
      assert.deepEqual(next(mode, a, b, elsewhere, a).charge, [[a, b]]);
      assert.deepEqual(next(mode, a, b, other, a).charge, [[a, b]]);
    });
  }

  it("takes routes for the same by what they say, not by which object says it", () => {
    const route = { channel: "signal", thread: [1] };
    const there = entry("taken", { route });
    const same = entry("queued", { route: structuredClone(route) });
    assert.deepEqual(next("steer", there, same).charge, [[same]]);
  });

  it("does not join what goes out by another channel, whatever the routes say", () => {
    const there = entry("taken", { channel: "a", route: "1" });
    assert.deepEqual(next("steer", there, entry("queued", { channel: "b", route: "1" })).charge, []);
  });
});

describe("a burst", () => {
  const at = (...times: number[]) => times.map((since, n) => ({ ...entry("queued", { id: `${n}` }), since }));
  const collected = (entries: Entry[], now: number) => {
    const { charge, lookAgainAt } = handover(entries, { mode: "collect", now, fits });
    return lookAgainAt ?? charge.map(({ length }) => length);
  };

  it("is over when nothing has come for 2 s", () => {
    assert.deepEqual(burst, { quietMs: 2000, longestMs: 10_000 });
    assert.equal(collected(at(0), 0), 2000);
    assert.equal(collected(at(0, 1500), 2000), 3500);
    assert.equal(collected(at(0, 1500), 3499), 3500);
    assert.deepEqual(collected(at(0, 1500), 3500), [2]);
  });

  it("is over when its first message has waited for 10 s, however fast others come", () => {
    const many = at(...Array.from({ length: 11 }, (_, second) => second * 1000));
    assert.equal(collected(many.slice(0, 10), 9999), 10_000);
    assert.deepEqual(collected(many, 10_000), [11]);
  });
});

describe("a message that is yet to be accepted", () => {
  const way = { channel: null, route: "here" };
  const inside = entry("handed", way);

  it("could be handed over at once if nobody waits, it fits, and its reply goes the same way", () => {
    const join = { mode: "steer", fits: true, ...way } as const;
    assert.equal(couldJoin([], join), true);
    assert.equal(couldJoin([inside], join), true);
    assert.equal(couldJoin([inside], { ...join, route: "there" }), false);
    assert.equal(couldJoin([inside], { ...join, channel: "webhook" }), false);
    assert.equal(couldJoin([], { ...join, fits: false }), false);
    assert.equal(couldJoin([inside, entry("queued", way)], join), false);
  });

  it("does not join a turn in the other modes, and always waits for more in the mode collect", () => {
    for (const mode of ["queue", "interrupt"] as const) {
      assert.equal(couldJoin([], { mode, fits: true, ...way }), true);
      assert.equal(couldJoin([inside], { mode, fits: true, ...way }), false);
    }
    assert.equal(couldJoin([], { mode: "collect", fits: true, ...way }), false);
  });

  it("is then handed over at once", () => {
    const ways = fc.record({
      channel: fc.constantFrom(null, "webhook"),
      route: fc.constantFrom("here", "there"),
    });
    fc.assert(
      fc.property(lots, fc.boolean(), ways, ({ entries, mode, now }, welcome, way) => {
        if (!couldJoin(entries, { mode, fits: welcome, ...way })) return;
        const sender = { id: "1", name: welcome ? "welcome" : "other" };
        const late = { ...entry("charged", { id: "late", sender, ...way }), since: now };
        assert.deepEqual(handover([...entries, late], { mode, now, fits }).handOver, [[late]]);
      }),
      { numRuns: 2000 },
    );
  });
});
