import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Entry, inHand } from "../../src/sessions/entry.ts";
import { couldJoin, handover } from "../../src/sessions/handover.ts";
import { entry } from "./message.ts";

const phase = fc.constantFrom("queued", "pending", "charged", "handed", "taken");
const open = fc.record({ phase, route: fc.constantFrom("here", "there"), welcome: fc.boolean() });
/** Open messages in order of acceptance. What is in hand already goes one way. */
const entries = fc.array(open, { maxLength: 8 }).map((all) =>
  all.map(({ phase, route, welcome }, at): Entry => {
    const sender = { id: "1", name: welcome ? "welcome" : "other" };
    const inside = phase === "handed" || phase === "taken";
    return entry(phase, { id: `${at}`, route: inside ? "here" : route, sender });
  }),
);
const fits = (sender: { name: string } | null) => sender?.name !== "other";
const routeOf = ({ message }: Entry) => message.route;

describe("what is handed over to a process", () => {
  it("is never overtaken: all that may go goes, in the order of acceptance", () => {
    fc.assert(
      fc.property(entries, (all) => {
        const { handOver, charge, otherPolicy } = handover(all, fits);
        const outside = all.filter((entry) => !inHand(entry));
        const going = [...handOver, ...charge];
        assert.deepEqual(going, outside.slice(0, going.length));
        assert.ok(handOver.every((entry) => entry.phase === "charged"));
        assert.ok(charge.every((entry) => entry.phase === "queued"));

        const stays = outside[going.length];
        const there = [...all.filter(inHand), ...going];
        if (stays === undefined) return assert.equal(otherPolicy, false);
        const waitsForLedger = stays.phase === "pending" || (stays.phase === "charged" && charge.length > 0);
        const otherWay = there[0] !== undefined && routeOf(there[0]) !== routeOf(stays);
        assert.ok(waitsForLedger || !fits(stays.message.sender) || otherWay, "what stays has a reason");
        assert.equal(otherPolicy, !waitsForLedger && !fits(stays.message.sender) && there.length === 0);
      }),
      { numRuns: 2000 },
    );
  });

  it("has one policy and one way with what is in the process's hands", () => {
    fc.assert(
      fc.property(entries, (all) => {
        const { handOver, charge } = handover(all, fits);
        const going = [...handOver, ...charge];
        assert.ok(going.every((entry) => fits(entry.message.sender)));
        const ways = new Set([...all.filter(inHand), ...going].map(routeOf));
        assert.ok(ways.size <= 1);
      }),
      { numRuns: 1000 },
    );
  });

  it("takes routes for the same by what they say, not by which object says it", () => {
    const route = { channel: "signal", thread: [1] };
    const inside = entry("taken", { route });
    const same = entry("queued", { route: structuredClone(route) });
    assert.deepEqual(handover([inside, same], fits).charge, [same]);
  });
});

describe("a message that is yet to be accepted", () => {
  const inside = entry("handed", { route: "here" });
  const waiting = entry("queued", { route: "here" });

  it("could be handed over at once if nobody waits, it fits, and its reply goes the same way", () => {
    assert.equal(couldJoin([], true, "anywhere"), true);
    assert.equal(couldJoin([inside], true, "here"), true);
    assert.equal(couldJoin([inside], true, "there"), false);
    assert.equal(couldJoin([], false, "here"), false);
    assert.equal(couldJoin([inside, waiting], true, "here"), false);
  });
});
