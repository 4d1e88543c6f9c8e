import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Lease, Ledger, Message } from "../../../src/ledger/index.ts";
import {
  accepted,
  allEvents,
  answered,
  notice,
  rejects,
  send,
  stopped,
  toolCall,
  turnOf,
  work,
} from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function ownershipPromises(promise: PromiseTest): void {
  /** Every call that needs a lease. */
  const leased: Array<(ledger: Ledger, lease: Lease, message: Message) => Promise<unknown>> = [
    (ledger, lease) => ledger.openSession(lease, randomUUID()),
    (ledger, lease) => ledger.resetSession(lease, randomUUID()),
    (ledger, lease) => ledger.undoReset(lease),
    (ledger, lease) => ledger.beginProcess(lease, randomUUID(), "message"),
    (ledger, lease) => ledger.processStarted(lease, 1, 1),
    (ledger, lease) => ledger.processEnded(lease, 1, "idle"),
    (ledger, lease, { id }) => ledger.charge(lease, 1, [send(id)]),
    (ledger, lease, { id }) => ledger.requeue(lease, [id], "lost"),
    (ledger, lease, message) => ledger.endMessages(lease, [stopped(message)]),
    (ledger, lease, { id }) =>
      ledger.beginTurn(lease, { id: randomUUID(), sessionId: "s", generation: 1, messageIds: [id] }),
    (ledger, lease, { id }) => ledger.joinTurn(lease, "t", [id]),
    (ledger, lease, message) => ledger.endTurn(lease, answered("t", [message])),
    (ledger, lease, message) => ledger.notify(lease, [notice("x", [message])]),
    (ledger, lease) => ledger.beginTool(lease, toolCall("t", "u")),
    (ledger, lease) => ledger.endTool(lease, "t", "u", "finished"),
    (ledger, lease) => ledger.append(lease, [{ type: "notice", code: "x", text: "x" }]),
  ];

  async function allStale(ledger: Ledger, lease: Lease): Promise<void> {
    const message = await accepted(ledger, lease.chatId, "hi");
    const before = await ledger.lastSeq();
    for (const call of leased) await rejects(call(ledger, lease, message), "stale_epoch");
    await ledger.release(lease);
    assert.equal(await ledger.lastSeq(), before);
    assert.deepEqual(await ledger.message(message.id), message);
  }

  promise("a later acquire makes the earlier lease stale for every write", async (ledger) => {
    const { lease, session } = await work(ledger, "a");
    const later = await work(ledger, "a");
    assert.ok(later.lease.epoch > lease.epoch);
    assert.equal(later.session.id, session.id);
    await allStale(ledger, lease);
    await ledger.append(later.lease, []);
  });

  for (const [what, reason] of [
    ["acquiring a chat anew", "session started anew"],
    ["opening the ledger", "daemon ended"],
  ] as const) {
    promise(
      `${what} ends the turn, the tool and the process that were left running`,
      async (first, reopen) => {
        const left = await work(first, "a");
        const message = await accepted(first, "a", "hi");
        const turnId = await turnOf(first, left, [message]);
        await first.beginTool(left.lease, toolCall(turnId, "u"));
        const other = await work(first, "b");
        const last = await first.lastSeq();

        const opened = what === "opening the ledger";
        const ledger = opened ? await reopen() : first;
        if (!opened) await ledger.acquire("a", "host");
        const [turn] = await ledger.turns("a", 1);
        assert.equal(turn?.outcome, "cut");
        const [tool] = await ledger.toolCalls("a", [message.id]);
        assert.equal(tool?.state, "unknown");
        const [process] = await ledger.processes("a", 1);
        assert.equal(process?.endReason, reason);
        assert.equal(
          (await ledger.message(message.id))?.status,
          "sent",
          "what becomes of it is for others to say",
        );
        const events = (await allEvents(ledger, last)).filter((event) => event.chatId === "a");
        assert.deepEqual(
          events.map(({ seq, at, ...change }) => change),
          [
            { chatId: "a", type: "tool", turnId, toolUseId: "u", name: "Bash", state: "unknown" },
            { chatId: "a", type: "turn", turnId, state: "cut", messageIds: [message.id] },
            { chatId: "a", type: "process", generation: left.generation, state: "ended", pid: 4242, reason },
          ],
        );
        const [otherProcess] = await ledger.processes("b", 1);
        assert.equal(
          otherProcess?.endedAt === null,
          !opened,
          "another chat's goes on, unless the daemon ended",
        );
        assert.equal(otherProcess?.generation, other.generation);
      },
    );
  }

  promise("a released lease is stale", async (ledger) => {
    const { lease } = await work(ledger, "a");
    await ledger.release(lease);
    await allStale(ledger, lease);
  });

  promise("opening the ledger makes all earlier leases stale", async (ledger, reopen) => {
    const { lease } = await work(ledger, "a");
    const again = await reopen();
    await allStale(again, lease);
    const acquired = await again.acquire("a", "host");
    assert.ok("epoch" in acquired && acquired.epoch > lease.epoch);
  });

  promise("epochs of different chats differ, and one chat's lease is none of another's", async (ledger) => {
    const a = await work(ledger, "a");
    const b = await work(ledger, "b");
    assert.notEqual(a.lease.epoch, b.lease.epoch);
    await allStale(ledger, { chatId: "a", epoch: b.lease.epoch });
    await allStale(ledger, { chatId: "nobody's", epoch: a.lease.epoch });
  });

  promise("a chat that is not there cannot be acquired", async (ledger) => {
    await rejects(ledger.acquire("a", "host"), "invalid", /\ba\b/);
    assert.equal(await ledger.chat("a"), null);
  });

  promise("a host can renew its leases", async (ledger) => {
    const { leaseMs } = await ledger.renew("host");
    assert.ok(leaseMs === null || leaseMs > 0);
  });
}
