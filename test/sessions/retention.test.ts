import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config.ts";
import { type Tiers, tiersOf } from "../../src/contacts/tiers.ts";
import type { Expired, Expiry } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { expiriesOf, type Removed, Retention } from "../../src/sessions/retention.ts";
import { ManualClock } from "./manual-clock.ts";

const day = 86_400_000;
const hour = 3_600_000;

function tiers(config: string): Tiers {
  return tiersOf(parseConfig(config, "test"));
}

describe("what is kept no longer", () => {
  it("is told by tier, of those that do not keep everything", () => {
    const config = `
      tiers.family.keep = { messages_days = 2 }
      tiers.bots.keep = { events_days = 0.5, transcripts_days = 3 }
      tiers.admin.keep = {}`;
    assert.deepEqual(expiriesOf(tiers(config).all, 10 * day), {
      family: { messagesBefore: 8 * day, eventsBefore: null, conversationsBefore: null },
      bots: { messagesBefore: null, eventsBefore: 9.5 * day, conversationsBefore: 7 * day },
    });
    assert.deepEqual(expiriesOf(tiers("").all, day), {});
  });

  it("must be kept for some time", () => {
    for (const wrong of ["0", "-1", '"1 year"', "40000"])
      assert.throws(
        () => tiers(`tiers.family.keep.messages_days = ${wrong}`),
        /tiers\.family\.keep\.messages_days/,
      );
  });
});

describe("retention", () => {
  const none = { messages: 0, events: 0, resting: [] };

  function started(config: string, steps: Expired[]) {
    const clock = new ManualClock();
    const calls: string[] = [];
    const told: Removed[] = [];
    let fails = false;
    let clearingFails = false;
    let shrinks = 2;
    const removable = new Set(["rests"]);
    const retention = new Retention({
      tiers: tiers(config),
      clock,
      log: silent,
      folders: { home: "", spaces: "", links: "", transcripts: "", running: "" },
      onRemoved: (removed) => told.push(removed),
      manager: {
        removeConversations: async (chatId, since) => {
          calls.push(`remove ${chatId} ${since}`);
          return removable.delete(chatId);
        },
      },
      ledger: {
        expire: async (after: string, _: Readonly<Record<string, Expiry>>) => {
          if (fails) throw new Error("the disk is full");
          calls.push(`expire ${after}`);
          return steps.shift() ?? { ...none, next: null };
        },
        shrink: async () => {
          calls.push("shrink");
          shrinks -= 1;
          return shrinks > 0;
        },
        forgottenSpaces: async () => {
          if (clearingFails) throw new Error("the folder is busy");
          calls.push("clear");
          return [];
        },
        spaceGone: async () => {},
      },
    });
    return {
      retention,
      clock,
      calls,
      told,
      fail: (now: boolean) => (fails = now),
      failClearing: (now: boolean) => (clearingFails = now),
    };
  }
  const family = "tiers.family.keep.messages_days = 1";

  it("goes through all chats, removes what rests, clears up, and gives the room back", async () => {
    const resting = [
      { chatId: "rests", since: 5 },
      { chatId: "woke up", since: 5 },
    ];
    const { retention, calls, told } = started(family, [
      { next: "m", messages: 3, events: 9, resting: [] },
      { next: null, messages: 1, events: 0, resting },
    ]);
    await retention.run();
    assert.deepEqual(calls, [
      ...["expire ", "expire m", "remove rests 5", "remove woke up 5", "clear", "shrink", "shrink"],
    ]);
    assert.deepEqual(told, [{ messages: 4, events: 9, conversations: 1 }]);
    await retention.close();
  });

  it("comes again each hour, one at a time, until it is closed", async () => {
    const { retention, clock, calls, told } = started(family, []);
    const runs = () => calls.filter((call) => call === "expire ").length;
    await Promise.all([retention.run(), retention.run()]);
    assert.equal(runs(), 1);
    clock.advance(hour - 1);
    assert.equal(runs(), 1);
    clock.advance(1);
    assert.equal(runs(), 2);
    await retention.close();
    assert.deepEqual(told, [], "nothing was removed, and nothing is said");
    clock.advance(5 * hour);
    assert.equal(runs(), 2);
  });

  it("asks the ledger nothing as long as everything is kept, and tries again what it could not do", async () => {
    const keeping = started("", []);
    await keeping.retention.run();
    assert.deepEqual(keeping.calls, []);
    await keeping.retention.close();

    const failing = started(family, [{ ...none, messages: 1, next: null }]);
    failing.fail(true);
    await failing.retention.run();
    failing.fail(false);
    failing.clock.advance(hour);
    await failing.retention.close();
    assert.deepEqual(failing.told, [{ messages: 1, events: 0, conversations: 0 }]);
  });

  it("clears up in the next hour what it could not clear up at once", async () => {
    const resting = [{ chatId: "rests", since: 5 }];
    const { retention, clock, calls, failClearing } = started(family, [{ ...none, next: null, resting }]);
    failClearing(true);
    await retention.run();
    assert.ok(!calls.includes("clear"));
    failClearing(false);
    clock.advance(hour);
    await retention.close();
    assert.ok(calls.includes("clear"));
  });
});
