import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Inbound, Ledger, Reply } from "../../../src/ledger/index.ts";
import {
  accepted,
  allEvents,
  answered,
  notice,
  rejects,
  stopped,
  turnOf,
  type Work,
  work,
} from "../support.ts";
import type { PromiseTest } from "./place.ts";

const bySignal = { channel: "signal", route: { to: "+1" } };
const error = { code: "unreachable", message: "no network" };
const notWaiting = { dueAt: null, pauseMs: null, error: null };

export function repliesPromises(promise: PromiseTest): void {
  promise("an answer by a channel is to be sent from its commit on", async (ledger) => {
    const at = await work(ledger, "a");
    const reply = await replyTo(ledger, at, bySignal);
    assert.deepEqual(
      [reply.channel, reply.route, reply.status, reply.attempts, reply.dueAt, reply.pauseMs, reply.error],
      ["signal", bySignal.route, "pending", 0, reply.createdAt, 0, null],
    );
    assert.deepEqual(await ledger.nextReply("signal", "a"), reply);
    assert.deepEqual(await ledger.chatsWithReplies("signal", "", 10), ["a"]);
  });

  promise("an answer that is fetched is sent with its commit, and no channel's", async (ledger) => {
    const reply = await replyTo(ledger, await work(ledger, "a"), {});
    assert.deepEqual([reply.channel, reply.status, reply.dueAt, reply.pauseMs], [null, "sent", null, null]);
    await rejects(ledger.deliver(reply.id, { status: "sending" }), "invalid", new RegExp(reply.id));
    assert.equal(await ledger.retryReply(reply.id), null);
  });

  promise("a reply goes where the first message that it names came from", async (ledger) => {
    const at = await work(ledger, "a");
    const first = await accepted(ledger, "a", "1", { channel: "telegram", route: "first" });
    const second = await accepted(ledger, "a", "2", bySignal);
    const turn = await turnOf(ledger, at, [first, second]);
    const { reply } = await ledger.endTurn(at.lease, answered(turn, [first, second]));
    assert.deepEqual([reply?.channel, reply?.route], ["telegram", "first"]);
    await ledger.notify(at.lease, [notice("x", [second, first])]);
    const { channel, route } = (await ledger.nextReply("signal", "a")) ?? assert.fail();
    assert.deepEqual({ channel, route }, bySignal);
  });

  promise("each step of a delivery is kept, and told by an event as it was then", async (ledger) => {
    const reply = await replyTo(ledger, await work(ledger, "a"), bySignal);
    const last = await ledger.lastSeq();
    const step = async () => {
      const { status, attempts, dueAt, pauseMs, error } = await read(ledger, reply);
      return { status, attempts, dueAt, pauseMs, error };
    };
    const seen: Array<Awaited<ReturnType<typeof step>>> = [];
    for (const delivery of [
      { status: "sending" },
      { status: "pending", delayMs: 60_000.5, error },
      { status: "sending" },
      { status: "sending" },
      { status: "sent" },
    ] as const) {
      await ledger.deliver(reply.id, delivery);
      seen.push(await step());
    }
    const told = await allEvents(ledger, last);
    const dueAt = seen[1]?.dueAt ?? assert.fail();
    assert.equal(
      dueAt - (told[1]?.at ?? 0),
      60_001,
      "from then on, in whole milliseconds, and never too soon",
    );
    assert.deepEqual(seen, [
      { status: "sending", attempts: 1, ...notWaiting },
      { status: "pending", attempts: 1, dueAt, pauseMs: 60_001, error },
      { status: "sending", attempts: 2, ...notWaiting },
      { status: "sending", attempts: 3, ...notWaiting },
      { status: "sent", attempts: 3, ...notWaiting },
    ]);
    assert.deepEqual(
      told.map((event) => event.type === "reply" && event.reply),
      seen.map((state) => ({ ...reply, ...state })),
    );
  });

  for (const status of ["failed", "uncertain"] as const) {
    promise(
      `a reply that is ${status} is no longer to be sent, until it is asked for again`,
      async (ledger) => {
        const reply = await replyTo(ledger, await work(ledger, "a"), bySignal);
        await ledger.deliver(reply.id, { status: "sending" });
        await ledger.deliver(reply.id, { status, error });
        const given = await read(ledger, reply);
        assert.deepEqual(given, { ...reply, ...notWaiting, status, attempts: 1, error });
        assert.equal(await ledger.nextReply("signal", "a"), null);
        assert.deepEqual(await ledger.chatsWithReplies("signal", "", 10), []);
        assert.deepEqual(await ledger.failedReplies("", 10), [given]);
        await rejects(ledger.deliver(reply.id, { status: "sent" }), "invalid");

        const last = await ledger.lastSeq();
        const again = (await ledger.retryReply(reply.id)) ?? assert.fail();
        // Whoever sends it again has to know that it may be there already.
        const doubt = status === "uncertain" ? { error } : {};
        assert.deepEqual(again, { ...reply, ...doubt, dueAt: again.dueAt });
        assert.ok((again.dueAt ?? 0) >= reply.createdAt);
        assert.deepEqual(await ledger.nextReply("signal", "a"), again);
        assert.deepEqual(await ledger.failedReplies("", 10), []);
        assert.deepEqual(
          (await allEvents(ledger, last)).map((event) => event.type === "reply" && event.reply),
          [again],
        );
        assert.equal(await ledger.retryReply(reply.id), null, "it is on its way already");
        assert.equal(await ledger.retryReply(randomUUID()), null);
      },
    );
  }

  promise("a delivery that contradicts the ledger changes nothing", async (ledger) => {
    const reply = await replyTo(ledger, await work(ledger, "a"), bySignal);
    await ledger.deliver(reply.id, { status: "sent" });
    const sent = await read(ledger, reply);
    const last = await ledger.lastSeq();
    for (const id of [reply.id, randomUUID()]) {
      await rejects(ledger.deliver(id, { status: "sending" }), "invalid", new RegExp(id));
      await rejects(ledger.deliver(id, { status: "pending", delayMs: 1, error }), "invalid");
    }
    assert.deepEqual(await read(ledger, reply), sent);
    assert.equal(await ledger.lastSeq(), last);
  });

  promise(
    "a chat's replies are sent in their order, one after the other, by their channel",
    async (ledger) => {
      const at = await work(ledger, "a");
      const first = await replyTo(ledger, at, bySignal);
      const telegram = await replyTo(ledger, at, { channel: "telegram" });
      const second = await replyTo(ledger, at, bySignal);
      const next = async () => (await ledger.nextReply("signal", "a"))?.id;
      assert.equal(await next(), first.id);
      await ledger.deliver(first.id, { status: "sending" });
      assert.equal(await next(), first.id, "an attempt may have died");
      await ledger.deliver(first.id, { status: "pending", delayMs: 1000, error });
      assert.equal(await next(), first.id, "none overtakes one that is to be tried again");
      await ledger.deliver(first.id, { status: "sent" });
      assert.equal(await next(), second.id);
      await ledger.deliver(second.id, { status: "uncertain", error });
      assert.equal(await next(), undefined);
      assert.equal((await ledger.nextReply("telegram", "a"))?.id, telegram.id);
    },
  );

  promise("chats with replies to send are found in order, page by page", async (ledger) => {
    for (const chatId of ["c", "a", "b", "d", "e"]) {
      const at = await work(ledger, chatId);
      const reply = await replyTo(ledger, at, chatId === "d" ? { channel: "telegram" } : bySignal);
      await replyTo(ledger, at, bySignal);
      if (chatId === "a") await ledger.deliver(reply.id, { status: "sending" });
      if (chatId === "b") await replyTo(ledger, at, {});
    }
    assert.deepEqual(await ledger.chatsWithReplies("signal", "", 3), ["a", "b", "c"]);
    assert.deepEqual(await ledger.chatsWithReplies("signal", "c", 3), ["d", "e"]);
    assert.deepEqual(await ledger.chatsWithReplies("telegram", "", 3), ["d"]);
    assert.deepEqual(await ledger.chatsWithReplies("nobody's", "", 3), []);
  });

  promise(
    "every channel is known by which something is yet to go out, or may be asked for again",
    async (ledger) => {
      const by = (channel: string) => ({ channel, route: null });
      const at = await work(ledger, "a");
      const [sent, failed] = [await replyTo(ledger, at, by("sent")), await replyTo(ledger, at, by("failed"))];
      await replyTo(ledger, at, by("pending"));
      await replyTo(ledger, at, {});
      await accepted(ledger, "a", "open", by("open"));
      await accepted(ledger, "a", "fetched");
      for (const { id } of [sent, failed]) await ledger.deliver(id, { status: "sending" });
      await ledger.deliver(sent.id, { status: "sent" });
      await ledger.deliver(failed.id, { status: "failed", error });
      assert.deepEqual(await ledger.channels(), ["failed", "open", "pending"]);
    },
  );

  promise("replies that were given up are listed by their ids, page by page", async (ledger) => {
    const at = await work(ledger, "a");
    const ids = ["r1", "r2", "r3", "r4"];
    for (const id of ids) {
      await replyTo(ledger, at, bySignal, id);
      if (id !== "r3") await ledger.deliver(id, { status: id === "r1" ? "uncertain" : "failed", error });
    }
    const page = async (after: string) => (await ledger.failedReplies(after, 2)).map(({ id }) => id);
    assert.deepEqual(await page(""), ["r1", "r2"]);
    assert.deepEqual(await page("r2"), ["r4"]);
  });

  promise("a notice is a reply about its messages, which stay what they are", async (ledger) => {
    const { lease } = await work(ledger, "a");
    const [first, second] = [await accepted(ledger, "a", "1", bySignal), await accepted(ledger, "a", "2")];
    const last = await ledger.lastSeq();
    const told = notice("a moment: \ud83d", [first, second, first]);
    await ledger.notify(lease, [told]);
    const reply = (await ledger.nextReply("signal", "a")) ?? assert.fail();
    assert.deepEqual(reply, {
      id: told.id,
      chatId: "a",
      seq: 3,
      kind: "notice",
      text: "a moment: \ufffd",
      answers: [first.id, second.id],
      ...bySignal,
      status: "pending",
      attempts: 0,
      dueAt: reply.createdAt,
      pauseMs: 0,
      error: null,
      createdAt: reply.createdAt,
    });
    assert.deepEqual(await ledger.history("a", { limit: 10 }), [first, second, reply]);
    assert.deepEqual(
      (await allEvents(ledger, last)).map(({ seq, at, ...change }) => change),
      [{ chatId: "a", type: "reply", reply }],
    );
  });

  promise("a notice comes with the end that it tells of", async (ledger) => {
    const at = await work(ledger, "a");
    const [first, second] = [await accepted(ledger, "a", "1"), await accepted(ledger, "a", "2")];
    const turn = await turnOf(ledger, at, [first]);
    const last = await ledger.lastSeq();
    await ledger.endTurn(at.lease, answered(turn, [first], { notices: [notice("of the turn", [first])] }));
    await ledger.endMessages(at.lease, [stopped(second)], [notice("of the end", [second])]);
    assert.deepEqual(
      (await allEvents(ledger, last)).map((event) =>
        event.type === "reply" ? `${event.reply.text}: ${event.reply.status}` : event.type,
      ),
      ["message", "an answer: sent", "of the turn: sent", "turn", "message", "of the end: sent"],
    );
    assert.equal((await ledger.message(first.id))?.reply?.kind, "answer");
  });

  promise("a notice is told once, however often it is asked for", async (ledger) => {
    const { lease } = await work(ledger, "a");
    const message = await accepted(ledger, "a", "1");
    const told = notice("once", [message]);
    await ledger.notify(lease, [told, { ...told, text: "twice" }]);
    const last = await ledger.lastSeq();
    await ledger.notify(lease, [{ ...told, text: "three times" }]);
    await ledger.endMessages(lease, [], [told]);
    assert.equal(await ledger.lastSeq(), last);
    assert.deepEqual(
      (await ledger.history("a", { limit: 10 })).map(({ text }) => text),
      ["1", "once"],
    );
  });

  promise("a notice about no message of the chat is refused, with what it came with", async (ledger) => {
    const { lease } = await work(ledger, "a");
    const mine = await accepted(ledger, "a", "1");
    const theirs = await accepted(ledger, "b", "2");
    for (const wrong of [notice("x", []), notice("x", [theirs]), notice("x", [mine, theirs])]) {
      await rejects(ledger.notify(lease, [wrong]), "invalid");
      await rejects(ledger.endMessages(lease, [stopped(mine)], [wrong]), "invalid");
    }
    assert.deepEqual(await ledger.history("a", { limit: 10 }), [mine]);
  });
}

/** The answer to a new message of these fields. */
async function replyTo(
  ledger: Ledger,
  at: Work,
  fields: Partial<Inbound>,
  id: string = randomUUID(),
): Promise<Reply> {
  const message = await accepted(ledger, at.lease.chatId, "hi", fields);
  const turn = await turnOf(ledger, at, [message]);
  const { reply } = await ledger.endTurn(
    at.lease,
    answered(turn, [message], { reply: { id, text: "an answer" } }),
  );
  return reply ?? assert.fail("there is no reply");
}

/** As it stands now. */
async function read(ledger: Ledger, { id, chatId, seq }: Reply): Promise<Reply> {
  const [entry] = await ledger.history(chatId, { after: seq - 1, limit: 1 });
  assert.ok(entry !== undefined && "kind" in entry && entry.id === id);
  return entry;
}
