import assert from "node:assert/strict";
import type { Inbound } from "../../../src/ledger/index.ts";
import { accepted, admitted, inbound, stopped, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function acceptingPromises(promise: PromiseTest): void {
  promise("an accepted message is there as it was given, queued", async (ledger) => {
    const given = inbound("a", "hello", {
      externalId: "x1",
      sender: { id: "s", name: "Sue", tier: "family" },
      channel: "signal",
      route: { to: ["a", 1, null] },
      command: "stop",
      contact: { tier: "family", queueMode: "queue" },
    });
    const acceptance = await ledger.accept(given, admitted);
    assert.ok(acceptance.kind === "accepted");
    const { message, contact } = acceptance;
    assert.deepEqual(contact, { name: null, tier: "family", group: false, queueMode: "queue" });
    assert.deepEqual(message, {
      id: given.id,
      externalId: "x1",
      chatId: "a",
      seq: 1,
      text: "hello",
      attachments: [],
      sender: given.sender,
      channel: "signal",
      route: given.route,
      command: "stop",
      status: "queued",
      ran: null,
      tries: 0,
      error: null,
      reply: null,
      acceptedAt: message.acceptedAt,
      sentAt: null,
      endedAt: null,
    });
    assert.deepEqual(await ledger.message(given.id), message);
    assert.deepEqual(await ledger.history("a", { limit: 10 }), [message]);
    assert.deepEqual(await ledger.openMessages("a"), [{ message, tries: [] }]);
    const chat = await ledger.chat("a");
    assert.deepEqual(chat?.contact, contact);
    assert.equal(chat.open, 1);
    assert.equal(chat.lastMessageAt, message.acceptedAt);
  });

  promise("the times of a chat's last messages are told, oldest first", async (ledger) => {
    const accept = async (chatId: string) =>
      (await ledger.message((await accepted(ledger, chatId, "x")).id))?.acceptedAt;
    const times = [await accept("a"), await accept("a"), await accept("a")];
    await accept("b");
    assert.deepEqual(await ledger.acceptTimes("a", 10), times);
    assert.deepEqual(await ledger.acceptTimes("a", 2), times.slice(1));
    assert.deepEqual(await ledger.acceptTimes("nobody", 2), []);
  });

  promise("any well-formed text comes back as it went in", async (ledger) => {
    for (const text of ["a\0b", "👩‍👩‍👧 né", "'; DROP TABLE messages; --", "\r\n\t", "x".repeat(1_000_000)]) {
      const { id } = await accepted(ledger, "a", text);
      assert.equal((await ledger.message(id))?.text, text);
    }
  });

  promise("a refused message leaves nothing behind", async (ledger) => {
    const unnamed = await ledger.accept(inbound("a", "hi", { contact: {} }), admitted);
    assert.deepEqual(unnamed, { kind: "refused", tier: "unknown" });
    const stranger = await ledger.accept(inbound("a", "hi", { contact: { tier: "stranger" } }), admitted);
    assert.deepEqual(stranger, { kind: "refused", tier: "stranger" });
    assert.equal(await ledger.chat("a"), null);

    await ledger.putContact("b", { name: "Bob", tier: "stranger" }, "bob");
    const last = await ledger.lastSeq();
    await ledger.accept(inbound("b", "hi", { contact: { name: "Rob" } }), admitted);
    assert.equal((await ledger.chat("b"))?.contact.name, "Bob");
    assert.equal(await ledger.lastSeq(), last);
  });

  promise("what is attached is there as it was given, until its message ends", async (ledger, reopen) => {
    const file = (name: string, data: string, sha256: string) => ({
      ...{ name, type: "image/png", bytes: data.length, sha256, data: Buffer.from(data, "latin1") },
    });
    const attachments = [file("a.png", "\0\xffa", "da"), file("b", "", "db")];
    const message = await accepted(ledger, "a", "look", { externalId: "x", attachments });
    assert.deepEqual(message.attachments, [
      { name: "a.png", type: "image/png", bytes: 3 },
      { name: "b", type: "image/png", bytes: 0 },
    ]);
    const plain = await accepted(ledger, "a", "nothing to see");
    const again = await reopen();
    assert.deepEqual(await again.message(message.id), message);
    const data = async (id: string) => (await again.attachmentData(id)).map((each) => [...each]);
    assert.deepEqual([await data(message.id), await data(plain.id)], [[[0, 255, 97], []], []]);

    const renamed = attachments.map((each) => ({ ...each, name: "other" }));
    const kinds = [renamed, attachments.slice(1), []].map(async (files) => {
      const inbounds = inbound("a", "look", { externalId: "x", attachments: files });
      return (await again.accept(inbounds, admitted)).kind;
    });
    assert.deepEqual(await Promise.all(kinds), ["duplicate", "conflict", "conflict"]);

    const { lease } = await work(again, "a");
    await again.endMessages(lease, [stopped(message)]);
    assert.deepEqual(await data(message.id), []);
    assert.deepEqual((await again.message(message.id))?.attachments, message.attachments);
  });

  promise("the same external id again is the same message, with another text a conflict", async (ledger) => {
    const message = await accepted(ledger, "a", "hi", { externalId: "x" });
    const last = await ledger.lastSeq();
    const again = inbound("a", "hi", { externalId: "x", contact: { name: "Zed" } });
    assert.deepEqual(await ledger.accept(again, admitted), { kind: "duplicate", message });
    const other = inbound("a", "ho", { externalId: "x", contact: { name: "Zed" } });
    assert.deepEqual(await ledger.accept(other, admitted), { kind: "conflict", message });
    assert.equal((await ledger.accept(again, [])).kind, "duplicate", "known before the tier is looked at");
    assert.equal((await ledger.chat("a"))?.contact.name, null, "the patch of a duplicate is not applied");
    assert.equal(await ledger.lastSeq(), last);
  });

  promise(
    "when it is crowded, what is known or refused is told so all the same, and the rest is not kept",
    async (ledger) => {
      const message = await accepted(ledger, "a", "hi", { externalId: "x" });
      const last = await ledger.lastSeq();
      const crowded = async (chatId: string, fields: Partial<Inbound>) =>
        await ledger.accept(inbound(chatId, "hi", fields), admitted, { crowded: true });
      assert.deepEqual(await crowded("a", { externalId: "x" }), { kind: "duplicate", message });
      assert.deepEqual(await crowded("b", { contact: {} }), { kind: "refused", tier: "unknown" });
      assert.deepEqual(await crowded("a", {}), { kind: "crowded" });
      assert.deepEqual(await crowded("b", {}), { kind: "crowded" });
      assert.equal(await ledger.chat("b"), null);
      assert.equal(await ledger.lastSeq(), last);
    },
  );

  promise("an external id means its own chat only, and none is never the same", async (ledger) => {
    await accepted(ledger, "a", "hi", { externalId: "x" });
    await accepted(ledger, "b", "hi", { externalId: "x" });
    await accepted(ledger, "b", "hi");
    await accepted(ledger, "b", "hi");
    assert.equal((await ledger.chat("b"))?.open, 3);
  });

  promise("a duplicate that comes at the same moment is stored once", async (ledger) => {
    const kinds = await Promise.all(
      Array.from({ length: 20 }, async () => {
        return (await ledger.accept(inbound("a", "hi", { externalId: "x" }), admitted)).kind;
      }),
    );
    assert.deepEqual(kinds.toSorted().slice(0, 2), ["accepted", "duplicate"]);
    assert.equal((await ledger.chat("a"))?.open, 1);
  });

  promise("places in a chat are dense and in the order of the calls", async (ledger) => {
    const messages = await Promise.all(Array.from({ length: 200 }, (_, n) => accepted(ledger, "a", `${n}`)));
    assert.deepEqual(
      messages.map((message) => message.seq),
      Array.from({ length: 200 }, (_, n) => n + 1),
    );
  });

  promise("a claim charges the first try with the acceptance", async (ledger) => {
    const { lease, generation } = await work(ledger, "a");
    const claim = { epoch: lease.epoch, generation };
    const acceptance = await ledger.accept(inbound("a", "hi"), admitted, { claim });
    assert.ok(acceptance.kind === "accepted" && acceptance.claimed);
    const { message } = acceptance;
    assert.equal(message.status, "sent");
    assert.equal(message.tries, 1);
    assert.equal(message.sentAt, message.acceptedAt);
    assert.deepEqual(await ledger.openMessages("a"), [
      {
        message,
        tries: [
          {
            messageId: message.id,
            n: 1,
            sdkUuid: message.id,
            generation,
            epoch: lease.epoch,
            kind: "send",
            progress: 0,
            outcome: null,
            chargedAt: message.acceptedAt,
          },
        ],
      },
    ]);
  });

  promise("a claim that does not hold leaves the message queued", async (ledger) => {
    const a = await work(ledger, "a");
    const b = await work(ledger, "b");
    const queued = async (epoch: number, generation: number) => {
      const acceptance = await ledger.accept(inbound("a", "hi"), admitted, { claim: { epoch, generation } });
      assert.ok(acceptance.kind === "accepted");
      assert.equal(acceptance.claimed, false);
      assert.equal(acceptance.message.status, "queued");
      assert.equal(acceptance.message.tries, 0);
    };
    await queued(a.lease.epoch, b.generation);
    await queued(b.lease.epoch, a.generation);
    await ledger.processEnded(a.lease, a.generation, "idle");
    await queued(a.lease.epoch, a.generation);
    const anew = await work(ledger, "a");
    await queued(a.lease.epoch, anew.generation);
    await ledger.release(anew.lease);
    await queued(anew.lease.epoch, anew.generation);
  });

  promise("chats with open messages are found in order, page by page", async (ledger) => {
    for (const chatId of ["c", "a", "b", "a", "d"]) await accepted(ledger, chatId, "hi");
    const { lease } = await work(ledger, "b");
    await ledger.endMessages(
      lease,
      (await ledger.openMessages("b")).map(({ message }) => stopped(message)),
    );
    assert.deepEqual(await ledger.chatsWithOpenMessages("", 2), ["a", "c"]);
    assert.deepEqual(await ledger.chatsWithOpenMessages("c", 2), ["d"]);
  });

  promise(
    "a stranger who is refused is pending, until named or dismissed; what they say is not kept",
    async (ledger, reopen) => {
      const stranger = { contact: { tier: "unknown" as const } };
      const refused = async (chatId: string, more: object = stranger) =>
        assert.equal((await ledger.accept(inbound(chatId, "let me in", more), admitted)).kind, "refused");
      await refused("a");
      await refused("a", { ...stranger, channel: "signal", sender: { id: "1", name: "Ann" } });
      await refused("a", { contact: {} });
      await refused("b", { contact: { name: "Ben" } });
      const again = await reopen();
      const [b, a] = await again.pendingChats(10);
      assert.ok(a !== undefined && b !== undefined);
      assert.deepEqual([b.chatId, b.name, b.channel, b.count], ["b", "Ben", null, 1]);
      assert.deepEqual([a.chatId, a.name, a.channel, a.count], ["a", "Ann", null, 3]);
      assert.ok(a.firstAt <= a.lastAt && a.lastAt <= b.lastAt);
      assert.deepEqual(await again.pendingChat("a"), a);
      assert.deepEqual(await again.pendingChats(1), [b]);
      assert.equal(await again.chat("a"), null);
      await again.putContact("a", { tier: "family" }, "ann");
      assert.deepEqual([await again.pendingChat("a"), (await again.pendingChats(10)).length], [null, 1]);
      assert.deepEqual([await again.dismissPending("b"), await again.dismissPending("b")], [true, false]);
      assert.deepEqual(await again.pendingChats(10), []);
    },
  );

  promise("whom the operator refuses by name is not pending", async (ledger) => {
    await ledger.putContact("a", { tier: "unknown" }, "ann");
    assert.equal((await ledger.accept(inbound("a", "hi", { contact: {} }), admitted)).kind, "refused");
    assert.deepEqual(await ledger.pendingChats(10), []);
  });

  promise("of a thousand strangers the last are remembered", async (ledger) => {
    const knock = (n: number) => ledger.accept(inbound(`${n}`, "hi", { contact: {} }), admitted);
    await Promise.all(Array.from({ length: 1003 }, (_, n) => knock(n)));
    assert.equal((await ledger.pendingChats(1000)).length, 1000);
  });
}
