import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { accepted, allEvents, rejects, send, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function sessionsPromises(promise: PromiseTest): void {
  promise("a chat's first session is begun once and stays", async (ledger, reopen) => {
    const { lease, session } = await work(ledger, "a");
    assert.deepEqual(await ledger.openSession(lease, randomUUID()), session);
    assert.deepEqual((await ledger.chat("a"))?.session, session);
    const again = await reopen();
    assert.deepEqual((await again.chat("a"))?.session, session);
  });

  promise("a reset keeps the old session, and undoing it brings it back", async (ledger) => {
    const { lease, session: first } = await work(ledger, "a");
    const { session: second, earlier } = await ledger.resetSession(lease, randomUUID());
    assert.equal(earlier?.id, first.id);
    assert.ok(earlier.endedAt !== null);
    assert.equal(second.endedAt, null);
    assert.equal((await ledger.chat("a"))?.session?.id, second.id);
    const { session: third } = await ledger.resetSession(lease, randomUUID());

    const undone = await ledger.undoReset(lease);
    assert.equal(undone?.session.id, second.id);
    assert.equal(undone.session.endedAt, null);
    assert.equal(undone.earlier.id, third.id);
    assert.equal((await ledger.undoReset(lease))?.session.id, third.id, "undone twice: as before");
    assert.deepEqual(
      (await allEvents(ledger)).flatMap((event) => (event.type === "notice" ? [event.code] : [])),
      ["contact_changed", "session_reset", "session_reset", "reset_undone", "reset_undone"],
    );
  });

  promise(
    "without a reset there is nothing to undo, and a first session can be a reset's",
    async (ledger) => {
      const { lease } = await work(ledger, "a");
      assert.equal(await ledger.undoReset(lease), null);

      await ledger.putContact("b", { tier: "family" }, "b");
      const acquired = await ledger.acquire("b", "host");
      assert.ok("epoch" in acquired);
      const other = { chatId: "b", epoch: acquired.epoch };
      const { session, earlier } = await ledger.resetSession(other, randomUUID());
      assert.equal(earlier, null);
      assert.equal((await ledger.openSession(other, randomUUID())).id, session.id);
      assert.equal(await ledger.undoReset(other), null);
    },
  );

  promise("each process has a number of its own and tells its life", async (ledger) => {
    const { lease, session, generation } = await work(ledger, "a");
    const next = await ledger.beginProcess(lease, session.id, "restart");
    assert.ok(next.generation > generation);
    await ledger.processEnded(lease, generation, "idle");
    await ledger.processEnded(lease, generation, "again");
    const processes = await ledger.processes("a", 10);
    assert.deepEqual(
      processes.map(({ generation, pid, startReason, endReason }) => ({
        generation,
        pid,
        startReason,
        endReason,
      })),
      [
        { generation: next.generation, pid: null, startReason: "restart", endReason: null },
        { generation, pid: 4242, startReason: "message", endReason: "idle" },
      ],
    );
    assert.deepEqual(
      (await allEvents(ledger)).flatMap((event) =>
        event.type === "process" ? [`${event.generation} ${event.state} ${event.pid} ${event.reason}`] : [],
      ),
      [
        `${generation} starting null message`,
        `${generation} started 4242 message`,
        `${next.generation} starting null restart`,
        `${generation} ended 4242 idle`,
      ],
    );
  });

  promise("a process of another chat, or one that has ended, cannot be used", async (ledger) => {
    const a = await work(ledger, "a");
    const b = await work(ledger, "b");
    const { id } = await accepted(ledger, "a", "hi");
    await rejects(ledger.charge(a.lease, b.generation, [send(id)]), "invalid");
    await rejects(ledger.processStarted(a.lease, b.generation, 1), "invalid");
    await rejects(ledger.processEnded(a.lease, b.generation, "idle"), "invalid");
    await ledger.processEnded(a.lease, a.generation, "idle");
    await rejects(ledger.processStarted(a.lease, a.generation, 1), "invalid");
    await rejects(ledger.charge(a.lease, a.generation, [send(id)]), "invalid");
    for (const sessionId of [b.session.id, randomUUID()]) {
      await rejects(ledger.beginProcess(a.lease, sessionId, "message"), "invalid");
      const turn = { id: randomUUID(), sessionId, generation: a.generation, messageIds: [] };
      await rejects(ledger.beginTurn(a.lease, turn), "invalid");
    }
  });
}
