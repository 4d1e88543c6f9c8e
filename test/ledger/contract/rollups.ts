import assert from "node:assert/strict";
import { type Ledger, type Rollup, rollupMs } from "../../../src/ledger/index.ts";
import { accepted, answered, spent, stopped, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

/** The stretches as one: a test may run over the end of one. */
async function sum(ledger: Ledger): Promise<Omit<Rollup, "at" | "answerTimes"> & { times: number }> {
  const rollups = await ledger.rollups(0);
  const of = (key: keyof Omit<Rollup, "answerTimes">) =>
    rollups.reduce((total, rollup) => total + (rollup[key] ?? 0), 0);
  const most = (key: "live" | "waiting" | "memoryBytes") =>
    rollups.some((rollup) => rollup[key] !== null) ? Math.max(...rollups.map((r) => r[key] ?? 0)) : null;
  return {
    ...{ turns: of("turns"), answered: of("answered"), refused: of("refused"), failed: of("failed") },
    ...{ stopped: of("stopped"), cost: of("cost") },
    ...{ live: most("live"), waiting: most("waiting"), memoryBytes: most("memoryBytes") },
    times: rollups.flatMap(({ answerTimes }) => answerTimes).reduce((total, { count }) => total + count, 0),
  };
}

const nothing = { turns: 0, answered: 0, refused: 0, failed: 0, stopped: 0, cost: 0, times: 0 };
const untold = { live: null, waiting: null, memoryBytes: null };

export function rollupsPromises(promise: PromiseTest): void {
  promise(
    "count what ends in the transaction that ends it, and outlive the daemon",
    async (ledger, reopen) => {
      assert.deepEqual(await ledger.rollups(0), []);
      const at = await work(ledger, "a");
      const messages = [
        await accepted(ledger, "a", "first"),
        await accepted(ledger, "a", "second"),
        await accepted(ledger, "a", "third"),
      ] as const;
      const turn = await turnOf(ledger, at, [messages[0], messages[1]]);
      assert.deepEqual(await sum(ledger), { ...nothing, ...untold });
      await ledger.endTurn(at.lease, answered(turn, [messages[0], messages[1]]));
      await ledger.endMessages(at.lease, [stopped(messages[2])]);
      // They have ended already: nothing ends twice.
      await ledger.endMessages(at.lease, [stopped(messages[0]), stopped(messages[2])]);
      await ledger.spend("a", spent({ cost: 7 }));
      await ledger.spend("a", spent({ cost: 8 }));
      const counted = { ...nothing, turns: 1, answered: 2, stopped: 1, cost: 15, times: 2 };
      assert.deepEqual(await sum(await reopen()), { ...counted, ...untold });
    },
  );

  promise("count a turn that nobody lived to end", async (ledger, reopen) => {
    const at = await work(ledger, "a");
    await turnOf(ledger, at, [await accepted(ledger, "a", "hi")]);
    assert.deepEqual(await sum(await reopen()), { ...nothing, turns: 1, ...untold });
  });

  promise("keep the highest of what was told in a stretch, and begin on a round time", async (ledger) => {
    await ledger.gauge({ live: 3, waiting: 0, memoryBytes: 100 });
    await ledger.gauge({ live: 1, waiting: 2, memoryBytes: 50 });
    const told = await ledger.rollups(0);
    if (told.length === 1)
      assert.deepEqual(await sum(ledger), { ...nothing, live: 3, waiting: 2, memoryBytes: 100 });
    for (const { at } of told) assert.equal(at % rollupMs, 0);
    const last = told.at(-1)?.at ?? 0;
    assert.deepEqual(await ledger.rollups(last + 1), []);
    assert.deepEqual(
      (await ledger.rollups(last)).map(({ at }) => at),
      [last],
    );
  });

  promise("say how long answers took, to a tenth", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    await ledger.endTurn(at.lease, answered(turn, [message]));
    const ended = await ledger.message(message.id);
    assert.ok(ended?.endedAt);
    const took = Math.max(1, ended.endedAt - ended.acceptedAt);
    const [{ upToMs } = { upToMs: 0 }] = (await ledger.rollups(0)).flatMap(({ answerTimes }) => answerTimes);
    assert.ok(upToMs >= took && upToMs <= Math.ceil(took * 1.1), `${took} ms are up to ${upToMs}`);
  });

  promise("know how many chats there are", async (ledger, reopen) => {
    await work(ledger, "a");
    await work(ledger, "b");
    await ledger.putContact("a", { name: "Ann" }, "ann");
    await accepted(ledger, "c", "hi");
    assert.equal(await ledger.chatCount(), 3);
    const acquired = await ledger.acquire("b", "host");
    assert.ok("epoch" in acquired);
    await ledger.forget({ chatId: "b", epoch: acquired.epoch });
    assert.equal(await (await reopen()).chatCount(), 2);
  });
}
