import assert from "node:assert/strict";
import { follow, type Ledger, type LedgerEvent } from "../../../src/ledger/index.ts";
import { accepted, allEvents } from "../support.ts";
import type { PromiseTest } from "./place.ts";

/** The ledger, with its `changes` counted and its listeners known. */
function watched(ledger: Ledger) {
  const seen = { reads: 0, listeners: 0 };
  const watching: Pick<Ledger, "changes" | "onCommit"> = {
    changes(after, options) {
      seen.reads += 1;
      return ledger.changes(after, options);
    },
    onCommit(listener) {
      seen.listeners += 1;
      const unsubscribe = ledger.onCommit(listener);
      return () => {
        seen.listeners -= 1;
        unsubscribe();
      };
    },
  };
  return { seen, watching };
}

/** Each accept is one event: the chats are there already. */
async function acceptMany(ledger: Ledger, chatId: string, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => accepted(ledger, chatId, `${n}`)));
}

async function take(events: AsyncGenerator<LedgerEvent>, count: number): Promise<LedgerEvent[]> {
  const taken: LedgerEvent[] = [];
  while (taken.length < count) {
    const { value, done } = await events.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** For a reader that does not end by itself: it fails instead of waiting for ever. */
const deadline = () => AbortSignal.timeout(60_000);

export function followingPromises(promise: PromiseTest): void {
  promise("what was and what comes is told without gap or double", async (ledger) => {
    await acceptMany(ledger, "a", 600);
    const before = await ledger.lastSeq();
    const writing = (async () => {
      for (let round = 0; round < 20; round += 1) await acceptMany(ledger, "b", 10);
    })();
    const events = await take(follow(ledger, { after: 10, signal: deadline() }), before + 201 - 10);
    await writing;
    assert.deepEqual(events, await allEvents(ledger, 10));
  });

  promise("a reader that keeps up is served without reading the ledger again", async (ledger) => {
    await acceptMany(ledger, "a", 3);
    const { seen, watching } = watched(ledger);
    const events = follow(watching, { after: 0, signal: deadline() });
    await take(events, 4);
    for (let n = 0; n < 10; n += 1) {
      const next = take(events, 1);
      await accepted(ledger, "a", "hi");
      await next;
    }
    assert.equal(seen.reads, 1);
    await events.return();
  });

  promise("a reader that falls behind is served from the ledger, not from memory", async (ledger) => {
    await acceptMany(ledger, "a", 3);
    const { seen, watching } = watched(ledger);
    const events = follow(watching, { after: 0, signal: deadline() });
    const first = await take(events, 4);
    const live = take(events, 1);
    await accepted(ledger, "a", "hi");
    const second = await live;
    assert.equal(seen.reads, 1);
    await acceptMany(ledger, "a", 1000);
    const rest = await take(events, 1000);
    assert.ok(seen.reads >= 4, `1000 events came by ${seen.reads} pages`);
    assert.deepEqual([...first, ...second, ...rest], await allEvents(ledger));
    await events.return();
  });

  promise("what is committed while a page is on its way is told", async (ledger) => {
    await acceptMany(ledger, "a", 3);
    const { watching } = watched(ledger);
    const slow: typeof watching = {
      onCommit: watching.onCommit,
      async changes(after, options) {
        const page = await ledger.changes(after, options);
        await acceptMany(ledger, "a", 2);
        return page;
      },
    };
    const events = follow(slow, { after: 0, signal: deadline() });
    assert.deepEqual(await take(events, 6), await allEvents(ledger));
    await events.return();
  });

  promise("one chat's events are told alone, past and to come", async (ledger) => {
    await acceptMany(ledger, "a", 3);
    await acceptMany(ledger, "b", 3);
    const events = follow(ledger, { after: 0, chatId: "b", signal: deadline() });
    const past = await take(events, 4);
    const coming = take(events, 2);
    await acceptMany(ledger, "a", 2);
    await acceptMany(ledger, "b", 2);
    const all = await allEvents(ledger);
    assert.deepEqual(
      [...past, ...(await coming)],
      all.filter((event) => event.chatId === "b"),
    );
    await events.return();
  });

  promise("an abort ends it, also while it waits", async (ledger) => {
    await acceptMany(ledger, "a", 1);
    const { seen, watching } = watched(ledger);
    const abort = new AbortController();
    const events = follow(watching, { after: 0, signal: abort.signal });
    await take(events, 2);
    const waiting = events.next();
    assert.equal(seen.listeners, 1);
    abort.abort();
    assert.deepEqual(await waiting, { value: undefined, done: true });
    assert.equal(seen.listeners, 0);
    assert.deepEqual(await take(follow(ledger, { after: 0, signal: AbortSignal.abort() }), 1), []);
  });

  promise("it ends with the ledger", async (ledger) => {
    await acceptMany(ledger, "a", 1);
    const events = follow(ledger, { after: 0, signal: deadline() });
    await take(events, 2);
    const waiting = events.next();
    await ledger.close();
    assert.deepEqual(await waiting, { value: undefined, done: true });
  });
}
