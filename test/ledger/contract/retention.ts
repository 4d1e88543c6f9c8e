import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Expired, Expiry, Ledger } from "../../../src/ledger/index.ts";
import { accepted, allEvents, answered, toolCall, turnOf, type Work, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

const keepsAll: Expiry = { messagesBefore: null, eventsBefore: null, conversationsBefore: null };

/** All steps; the chats are of tier `family`. */
async function expire(ledger: Ledger, more: Partial<Expiry>): Promise<Omit<Expired, "next">> {
  const sum = { messages: 0, events: 0, resting: [] as Expired["resting"] };
  for (let next: string | null = ""; next !== null; ) {
    const step: Expired = await ledger.expire(next, { family: { ...keepsAll, ...more } });
    sum.messages += step.messages;
    sum.events += step.events;
    sum.resting.push(...step.resting);
    next = step.next;
  }
  return sum;
}

/** A turn with a tool call that answers one message; the process has ended. */
async function talk(ledger: Ledger, at: Work, text: string, fields = {}): Promise<string> {
  const message = await accepted(ledger, at.lease.chatId, text, fields);
  const turn = await turnOf(ledger, at, [message]);
  await ledger.beginTool(at.lease, toolCall(turn, `tool ${text}`));
  await ledger.endTurn(at.lease, answered(turn, [message]));
  return message.id;
}

const rest = async (ledger: Ledger, { lease, generation }: Work) =>
  await ledger.processEnded(lease, generation, "idle");

/** Later than all that was written, and than nothing that will be. */
async function now(): Promise<number> {
  const at = Date.now() + 1;
  while (Date.now() <= at) await pause(1);
  return at;
}

export function retentionPromises(promise: PromiseTest): void {
  promise(
    "removes ended messages with all about them, up to the first that is kept",
    async (ledger, reopen) => {
      const at = await work(ledger, "a");
      const old = await talk(ledger, at, "old");
      const bound = await now();
      const young = await talk(ledger, at, "young");
      await rest(ledger, at);
      await ledger.spend("a", { ...spending, cost: 5 });
      const due = (await allEvents(ledger)).filter((event) => event.at < bound).length;

      assert.deepEqual(await expire(ledger, { messagesBefore: bound }), {
        messages: 1,
        events: due,
        resting: [],
      });
      const again = await reopen();
      assert.equal(await again.message(old), null);
      const history = await again.history("a", { limit: 10 });
      assert.deepEqual(
        history.map((row) => ("kind" in row ? row.answers : row.id)),
        [young, [young]],
      );
      assert.deepEqual(await again.toolCalls("a", [old]), []);
      assert.equal((await again.toolCalls("a", [young])).length, 1);
      assert.equal((await again.turns("a", 10)).length, 1);
      const events = await allEvents(again);
      assert.ok(events.length > 0 && events.every((event) => event.at >= bound));
      // What it has cost, and how often it has spoken, stays known.
      assert.equal((await again.chat("a"))?.usage.turns, 2);
      assert.equal((await again.chatSpending("a", "2026-01-01"))[0]?.cost, 5);
      // Nothing more is due.
      assert.deepEqual(await expire(again, { messagesBefore: bound }), {
        messages: 0,
        events: 0,
        resting: [],
      });
      const next = await accepted(again, "a", "next");
      assert.ok(next.seq > 4, "places are not given twice");
    },
  );

  promise("removes events alone where messages are kept for longer", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await talk(ledger, at, "hi");
    await rest(ledger, at);
    const removed = await expire(ledger, { eventsBefore: await now() });
    assert.equal(removed.messages, 0);
    assert.ok(removed.events > 5);
    assert.deepEqual(await allEvents(ledger), []);
    assert.equal((await ledger.message(message))?.status, "answered");
    const later = await accepted(ledger, "a", "later");
    assert.equal((await allEvents(ledger)).length, 1);
    assert.equal(later.status, "queued");
  });

  promise("leaves chats alone that are in use, and those of tiers that keep everything", async (ledger) => {
    const waiting = await work(ledger, "waits");
    await talk(ledger, waiting, "old");
    await rest(ledger, waiting);
    await accepted(ledger, "waits", "still open");
    const running = await work(ledger, "runs");
    await talk(ledger, running, "old");
    const other = await work(ledger, "of another tier");
    await talk(ledger, other, "old");
    await rest(ledger, other);
    await ledger.putContact("of another tier", { tier: "admin" }, "x");
    const before = await allEvents(ledger);
    const bound = await now();
    const all = { messagesBefore: bound, eventsBefore: bound, conversationsBefore: bound };
    assert.deepEqual(await expire(ledger, all), { messages: 0, events: 0, resting: [] });
    assert.deepEqual(await allEvents(ledger), before);
    for (const { lease } of [waiting, running])
      assert.equal(await ledger.removeConversations(lease, "new", bound), null);
  });

  promise("keeps a reply that is on its way, and what comes after it", async (ledger) => {
    const at = await work(ledger, "a");
    await talk(ledger, at, "by a channel", { channel: "signal" });
    await talk(ledger, at, "fetched");
    await rest(ledger, at);
    const bound = await now();
    assert.equal((await expire(ledger, { messagesBefore: bound })).messages, 1);
    const kept = await ledger.history("a", { limit: 10 });
    assert.deepEqual(
      kept.map((row) => ("kind" in row ? "reply" : row.text)),
      ["reply", "fetched", "reply"],
    );
    const reply = await ledger.nextReply("signal", "a");
    assert.ok(reply !== null);
    await ledger.deliver(reply.id, { status: "sending" });
    await ledger.deliver(reply.id, { status: "sent" });
    // Its last events are younger than itself: they are told of no more when it has gone, and go in their time.
    assert.equal((await expire(ledger, { messagesBefore: bound })).messages, 1);
    assert.deepEqual(await allEvents(ledger), []);
    assert.equal((await expire(ledger, { messagesBefore: await now() })).events, 2);
  });

  promise("removes a reply that was given up with its message", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await talk(ledger, at, "by a channel", { channel: "signal" });
    const reply = (await ledger.nextReply("signal", "a")) ?? assert.fail();
    await ledger.deliver(reply.id, { status: "sending" });
    await ledger.deliver(reply.id, { status: "failed", error: { code: "refused", message: "no" } });
    await rest(ledger, at);
    assert.equal((await expire(ledger, { messagesBefore: await now() })).messages, 1);
    assert.equal(await ledger.message(message), null);
    assert.deepEqual(await ledger.failedReplies("", 10), []);
    assert.equal(await ledger.retryReply(reply.id), null);
  });

  promise("removes more than one step does, to the last, in every chat", async (ledger) => {
    const at = await work(ledger, "a");
    const ids = Array.from({ length: 260 }, (_, n) => `${n}`);
    const messages = await Promise.all(ids.map((text) => accepted(ledger, "a", text)));
    await ledger.endMessages(
      at.lease,
      messages.map(({ id }) => ({ messageId: id, status: "stopped", ran: false, error: null })),
    );
    await rest(ledger, at);
    const other = await work(ledger, "b");
    await talk(ledger, other, "one");
    await rest(ledger, other);
    const removed = await expire(ledger, { messagesBefore: await now() });
    assert.equal(removed.messages, 261);
    assert.deepEqual(await ledger.history("a", { limit: 10 }), []);
    assert.deepEqual(await ledger.history("b", { limit: 10 }), []);
    assert.deepEqual(await allEvents(ledger), []);
  });

  promise(
    "removes conversations that rest: the next begins anew, and nothing brings the old one back",
    async (ledger, reopen) => {
      const at = await work(ledger, "a");
      await talk(ledger, at, "one");
      const put = await ledger.resetSession(at.lease, "second");
      await talk(ledger, { ...at, session: put.session }, "two");
      await rest(ledger, at);
      const bound = await now();
      const { resting } = await expire(ledger, { conversationsBefore: bound });
      assert.deepEqual(resting, [{ chatId: "a", since: bound }]);
      assert.equal(
        await ledger.removeConversations(at.lease, "x", bound - 60_000),
        null,
        "it was active since",
      );

      const begun = await ledger.removeConversations(at.lease, "third", bound);
      assert.deepEqual([begun?.id, begun?.sdkSessionId, begun?.endedAt], ["third", null, null]);
      const again = await reopen();
      assert.equal((await again.chat("a"))?.session?.id, "third");
      assert.deepEqual(
        (await again.forgottenSpaces()).map(({ sessionId }) => sessionId).sort(),
        [at.session.id, "second"].sort(),
      );
      const acquired = await again.acquire("a", "host");
      assert.ok("epoch" in acquired);
      const lease = { chatId: "a", epoch: acquired.epoch };
      assert.equal(await again.undoReset(lease), null);
      const last = (await allEvents(again)).findLast(({ type }) => type === "notice");
      assert.ok(last?.type === "notice" && last.code === "conversation_removed");
      // There is nothing in the new one: it is not removed in its turn.
      assert.deepEqual((await expire(again, { conversationsBefore: await now() })).resting, []);
      assert.equal(await again.removeConversations(lease, "fourth", await now()), null);
      // A chat that is forgotten before its spaces are gone names each of them once.
      await again.forget(lease);
      assert.equal((await again.forgottenSpaces()).length, 3);
    },
  );
}

const spending = {
  ...{ day: "2026-01-31", tier: "family", model: "m", requests: 1, inputTokens: 1, outputTokens: 1 },
  ...{ cacheWriteTokens: 0, cacheReadTokens: 0 },
};
