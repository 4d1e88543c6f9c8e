import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { accepted, allEvents, answered, rejects, send, stopped, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function turnsPromises(promise: PromiseTest): void {
  promise("the end of a turn is one change: messages, reply, proof and cost", async (ledger) => {
    const at = await work(ledger, "a");
    const { lease, session, generation } = at;
    const first = await accepted(ledger, "a", "1", { route: { to: "first" } });
    const second = await accepted(ledger, "a", "2", { channel: "signal", route: { to: "second" } });
    const turn = await turnOf(ledger, at, [first]);
    await ledger.charge(lease, generation, [send(second.id)]);
    await ledger.joinTurn(lease, turn, [first.id, second.id]);
    const last = await ledger.lastSeq();

    const end = answered(turn, [first, second], {
      proven: { sessionId: session.id, sdkSessionId: "sdk", toldFacts: "Ann" },
      usage: { inputTokens: 10, outputTokens: 5, costUsd: 0.25 },
      requestAt: 1,
      firstByteAt: 2,
    });
    const { reply } = await ledger.endTurn(lease, end);
    assert.ok(reply !== null);
    assert.deepEqual(reply, {
      id: end.reply?.id,
      chatId: "a",
      seq: 3,
      kind: "answer",
      text: "an answer",
      answers: [first.id, second.id],
      channel: null,
      route: { to: "first" },
      status: "sent",
      attempts: 0,
      dueAt: null,
      pauseMs: null,
      error: null,
      createdAt: reply.createdAt,
    });
    for (const { id } of [first, second]) {
      const message = await ledger.message(id);
      assert.equal(message?.status, "answered");
      assert.deepEqual(message.reply, reply);
      assert.equal(message.endedAt, reply.createdAt);
    }
    assert.deepEqual(
      (await ledger.history("a", { after: 1, limit: 10 })).map((entry) => entry.id),
      [second.id, reply.id],
    );
    const chat = await ledger.chat("a");
    assert.deepEqual(chat?.usage, { turns: 1, inputTokens: 10, outputTokens: 5, costUsd: 0.25 });
    assert.equal(chat.session?.sdkSessionId, "sdk");
    assert.equal(chat.session?.toldFacts, "Ann");
    assert.equal(chat.open, 0);
    assert.deepEqual(
      (await ledger.turns("a", 1)).map(({ startedAt, endedAt, ...turn }) => turn),
      [
        {
          id: turn,
          chatId: "a",
          sessionId: session.id,
          generation,
          messageIds: [first.id, second.id],
          outcome: "answered",
          requestAt: 1,
          firstByteAt: 2,
        },
      ],
    );
    const events = await allEvents(ledger, last);
    assert.deepEqual(
      events.map((event) => event.type),
      ["message", "message", "reply", "turn"],
    );
    assert.deepEqual(new Set(events.map((event) => event.at)), new Set([reply.createdAt]));
    assert.ok(events[2]?.type === "reply");
    assert.deepEqual(events[2].reply, reply);
  });

  promise("what a turn took in is told when it began and when it joined", async (ledger) => {
    const at = await work(ledger, "a");
    const first = await accepted(ledger, "a", "1");
    const second = await accepted(ledger, "a", "2");
    const turn = await turnOf(ledger, at, [first]);
    await ledger.joinTurn(at.lease, turn, [first.id]);
    await ledger.joinTurn(at.lease, turn, [first.id, second.id]);
    assert.deepEqual(
      (await allEvents(ledger)).flatMap((event) =>
        event.type === "turn" ? [[event.turnId, event.state, event.messageIds]] : [],
      ),
      [
        [turn, "started", [first.id]],
        [turn, "joined", [second.id]],
      ],
    );
  });

  promise("a message that has ended gets no answer, and the reply does not name it", async (ledger) => {
    const at = await work(ledger, "a");
    const gone = await accepted(ledger, "a", "1", { route: "gone" });
    const open = await accepted(ledger, "a", "2", { route: "open" });
    const turn = await turnOf(ledger, at, [gone, open]);
    await ledger.endMessages(at.lease, [stopped(gone)]);
    const { reply } = await ledger.endTurn(at.lease, answered(turn, [gone, open]));
    assert.deepEqual(reply?.answers, [open.id]);
    assert.equal(reply.route, "open");
    assert.equal((await ledger.message(gone.id))?.status, "stopped");
  });

  promise("a message named twice is answered once, in well-formed words", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    const cut = { id: randomUUID(), text: "cut off: \ud83d" };
    const { reply } = await ledger.endTurn(at.lease, answered(turn, [message, message], { reply: cut }));
    assert.deepEqual(reply?.answers, [message.id]);
    assert.equal(reply.text, "cut off: \ufffd");
    assert.deepEqual((await ledger.message(message.id))?.reply, reply);
  });

  promise("an answered message is never answered again", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "1");
    const { reply } = await ledger.endTurn(
      at.lease,
      answered(await turnOf(ledger, at, [message]), [message]),
    );
    const second = randomUUID();
    const { lease, session, generation } = at;
    await ledger.beginTurn(lease, {
      id: second,
      sessionId: session.id,
      generation,
      messageIds: [message.id],
    });
    assert.deepEqual(await ledger.endTurn(lease, answered(second, [message])), { reply: null });
    assert.deepEqual((await ledger.message(message.id))?.reply, reply);
    assert.equal((await ledger.history("a", { limit: 10 })).length, 2);
  });

  promise("a turn that no message started ends without a reply and counts", async (ledger) => {
    const at = await work(ledger, "a");
    const turn = await turnOf(ledger, at, []);
    assert.deepEqual(await ledger.endTurn(at.lease, answered(turn, [], { reply: null })), { reply: null });
    assert.equal((await ledger.chat("a"))?.usage.turns, 1);
  });

  promise("a failed turn ends the messages that it says; the others stay open", async (ledger) => {
    const at = await work(ledger, "a");
    const first = await accepted(ledger, "a", "1");
    const second = await accepted(ledger, "a", "2");
    const turn = await turnOf(ledger, at, [first, second]);
    const error = { code: "model_error", message: "overloaded" };
    const { reply } = await ledger.endTurn(at.lease, {
      ...answered(turn, [first, second]),
      outcome: "failed",
      reply: null,
      endings: [{ messageId: first.id, status: "failed", ran: null, error }],
    });
    assert.equal(reply, null);
    assert.deepEqual((await ledger.message(first.id))?.error, error);
    const open = await ledger.openMessages("a");
    assert.deepEqual(
      open.map(({ message, tries }) => [message.id, message.status, tries.map((one) => one.outcome)]),
      [[second.id, "sent", ["failed"]]],
    );
    assert.equal((await ledger.turns("a", 1))[0]?.outcome, "failed");
  });

  promise(
    "a cut turn loses the tries of its members, and those that it does not end go on",
    async (ledger) => {
      const at = await work(ledger, "a");
      const [ends, goesOn] = [await accepted(ledger, "a", "1"), await accepted(ledger, "a", "2")];
      const turn = await turnOf(ledger, at, [ends, goesOn]);
      const last = await ledger.lastSeq();
      const error = { code: "tries_exhausted", message: "died again" };
      const { reply } = await ledger.endTurn(at.lease, {
        ...answered(turn, [ends, goesOn], { reply: null }),
        outcome: "cut",
        endings: [{ messageId: ends.id, status: "failed", ran: null, error }],
      });
      assert.equal(reply, null);
      assert.deepEqual((await ledger.message(ends.id))?.error, error);
      const open = await ledger.openMessages("a");
      assert.deepEqual(
        open.map(({ message, tries }) => [message.id, message.status, tries.map((one) => one.outcome)]),
        [[goesOn.id, "sent", ["lost"]]],
      );
      assert.equal((await ledger.turns("a", 1))[0]?.outcome, "cut");
      assert.deepEqual(
        (await allEvents(ledger, last)).map((event) =>
          event.type === "turn" ? [event.state, event.messageIds] : event.type,
        ),
        ["message", ["cut", [ends.id, goesOn.id]]],
      );
    },
  );

  promise("facts that were not told anew are kept", async (ledger) => {
    const at = await work(ledger, "a");
    for (const toldFacts of ["Ann", null]) {
      const turn = await turnOf(ledger, at, []);
      const proven = { sessionId: at.session.id, sdkSessionId: "sdk", toldFacts };
      await ledger.endTurn(at.lease, answered(turn, [], { reply: null, proven }));
    }
    assert.equal((await ledger.chat("a"))?.session?.toldFacts, "Ann");
  });

  promise("a turn ends once, and an answered one has a reply", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "1");
    const turn = await turnOf(ledger, at, [message]);
    await rejects(ledger.endTurn(at.lease, answered(turn, [message], { reply: null })), "invalid");
    assert.equal((await ledger.message(message.id))?.status, "sent");
    await ledger.endTurn(at.lease, answered(turn, [message]));
    await rejects(ledger.endTurn(at.lease, answered(turn, [message])), "invalid", new RegExp(turn));
    await rejects(ledger.joinTurn(at.lease, turn, []), "invalid");
    await rejects(
      ledger.beginTurn(at.lease, {
        id: turn,
        sessionId: at.session.id,
        generation: at.generation,
        messageIds: [],
      }),
      "invalid",
    );
  });
}
