import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { LedgerEvent } from "../../../src/ledger/index.ts";
import { accepted, allEvents, answered, rejects, send, stopped, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function messagesPromises(promise: PromiseTest): void {
  promise("a charged message is sent, and its tries are counted", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const first = await accepted(ledger, "a", "1");
    const second = await accepted(ledger, "a", "2");
    await ledger.charge(lease, generation, [send(second.id, "u2"), send(first.id, "u1")]);
    await ledger.requeue(lease, [second.id], "lost");
    const [, requeued] = await ledger.openMessages("a");
    assert.deepEqual(
      requeued?.tries.map((one) => one.outcome),
      ["lost"],
    );
    await ledger.charge(lease, generation, [send(second.id, "u3")]);
    const open = await ledger.openMessages("a");
    assert.deepEqual(
      open.map(({ message, tries }) => [
        message.status,
        message.tries,
        tries.map(({ n, sdkUuid, outcome }) => `${n} ${sdkUuid} ${outcome}`),
      ]),
      [
        ["sent", 1, ["1 u1 null"]],
        ["sent", 2, ["1 u2 lost", "2 u3 null"]],
      ],
    );
    assert.deepEqual(statuses(await allEvents(ledger)), [
      `${first.id} queued 0`,
      `${second.id} queued 0`,
      `${second.id} sent 1`,
      `${first.id} sent 1`,
      `${second.id} queued 1`,
      `${second.id} sent 2`,
    ]);
  });

  promise("a try says what it was for and how it came back", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const { id } = await accepted(ledger, "a", "hi");
    await ledger.charge(lease, generation, [send(id, "u1")]);
    await ledger.requeue(lease, [id], "excused");
    await ledger.charge(lease, generation, [{ messageId: id, sdkUuid: "u2", kind: "continue", progress: 7 }]);
    const [open] = await ledger.openMessages("a");
    assert.deepEqual(
      open?.tries.map(({ sdkUuid, kind, progress, outcome }) => [sdkUuid, kind, progress, outcome]),
      [
        ["u1", "send", 0, "excused"],
        ["u2", "continue", 7, null],
      ],
    );
    assert.equal(open.message.tries, 2);
  });

  promise("a message charged anew without a requeue loses its try", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const { id } = await accepted(ledger, "a", "hi");
    await ledger.charge(lease, generation, [send(id, "u1")]);
    await ledger.charge(lease, generation, [send(id, "u2")]);
    const [open] = await ledger.openMessages("a");
    assert.deepEqual(
      open?.tries.map((one) => one.outcome),
      ["lost", null],
    );
  });

  promise("a charge is made for all of its messages or for none", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const first = await accepted(ledger, "a", "1");
    const ended = await accepted(ledger, "a", "2");
    await ledger.endMessages(lease, [stopped(ended)]);
    const foreign = await accepted(ledger, "b", "3");
    for (const id of [ended.id, foreign.id, randomUUID()]) {
      const tries = [first.id, id].map((messageId) => send(messageId));
      await rejects(ledger.charge(lease, generation, tries), "invalid");
    }
    assert.deepEqual(await ledger.message(first.id), first);
  });

  promise("a message ends once", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    await ledger.charge(lease, generation, [send(message.id)]);
    const error = { code: "interrupted", message: "its process died" };
    await ledger.endMessages(lease, [{ messageId: message.id, status: "failed", ran: null, error }]);
    const ended = await ledger.message(message.id);
    assert.equal(ended?.status, "failed");
    assert.deepEqual(ended.error, error);
    assert.ok(ended.endedAt !== null);

    const last = await ledger.lastSeq();
    await ledger.endMessages(lease, [stopped(message)]);
    await ledger.requeue(lease, [message.id], "lost");
    assert.deepEqual(await ledger.message(message.id), ended);
    assert.equal(await ledger.lastSeq(), last);
    assert.equal((await ledger.chat("a"))?.open, 0);
  });

  promise("a stopped message tells whether it ran", async (ledger) => {
    const { lease } = await work(ledger, "a");
    for (const ran of [true, false]) {
      const message = await accepted(ledger, "a", "hi");
      await ledger.endMessages(lease, [{ ...stopped(message), ran }]);
      assert.equal((await ledger.message(message.id))?.ran, ran);
    }
  });

  promise("a chat's lease reaches no other chat's messages", async (ledger) => {
    const { lease, session, generation } = await work(ledger, "a");
    const other = await work(ledger, "b");
    const message = await accepted(ledger, "b", "hi");
    const turn = await turnOf(ledger, other, [message]);
    const before = await ledger.message(message.id);
    await ledger.requeue(lease, [message.id], "lost");
    await ledger.endMessages(lease, [stopped(message)]);
    await rejects(ledger.joinTurn(lease, turn, []), "invalid");
    await rejects(ledger.endTurn(lease, answered(turn, [message])), "invalid");
    const mine = randomUUID();
    await ledger.beginTurn(lease, { id: mine, sessionId: session.id, generation, messageIds: [] });
    await rejects(ledger.joinTurn(lease, mine, [message.id]), "invalid");
    await rejects(ledger.endTurn(lease, answered(mine, [message])), "invalid");
    await ledger.endTurn(lease, answered(mine, [], { reply: null, endings: [stopped(message)] }));
    assert.deepEqual(await ledger.message(message.id), before);
  });
}

function statuses(events: LedgerEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "message" ? [`${event.message.id} ${event.message.status} ${event.message.tries}`] : [],
  );
}
