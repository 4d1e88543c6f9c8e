import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ContactPatch, HistoryPage, Ledger } from "../../../src/ledger/index.ts";
import { accepted, allEvents, answered, rejects, spent, toolCall, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function chatsPromises(promise: PromiseTest): void {
  promise("a chat that nobody has named does not exist", async (ledger) => {
    assert.equal(await ledger.chat("a"), null);
    assert.deepEqual(await ledger.chats({ limit: 10 }), { chats: [], next: null });
  });

  promise("a contact keeps the fields that a patch does not give", async (ledger) => {
    await ledger.putContact("a", { name: "Ann", tier: "family" }, "ann");
    const patched = async (patch: ContactPatch) => (await ledger.putContact("a", patch, "other")).contact;
    const ann = { name: "Ann", tier: "family", group: true, queueMode: null };
    assert.deepEqual(await patched({ group: true }), ann);
    assert.deepEqual(await patched({ queueMode: "collect" }), { ...ann, queueMode: "collect" });
    const unnamed = { ...ann, name: null, queueMode: "collect" };
    assert.deepEqual(await patched({ name: null }), unnamed);
    assert.deepEqual((await ledger.chat("a"))?.contact, unnamed);
    assert.deepEqual(await patched({ queueMode: null }), { ...unnamed, queueMode: null });
  });

  promise("a chat named without a tier is unknown", async (ledger) => {
    assert.deepEqual((await ledger.putContact("a", { name: "Ann" }, "ann")).contact, {
      name: "Ann",
      tier: "unknown",
      group: false,
      queueMode: null,
    });
  });

  promise("a changed contact is told by a notice, an unchanged one is not", async (ledger) => {
    await ledger.putContact("a", { name: "Ann", tier: "family" }, "ann");
    await ledger.putContact("a", { name: "Ann" }, "ann");
    await accepted(ledger, "a", "hi", { contact: { tier: "family" } });
    await accepted(ledger, "a", "hi", { contact: { tier: "admin" } });
    await ledger.putContact("a", { queueMode: "queue" }, "ann");
    const events = await allEvents(ledger);
    assert.deepEqual(
      events.map((event) => (event.type === "notice" ? event.code : event.type)),
      ["contact_changed", "message", "contact_changed", "message", "contact_changed"],
    );
    assert.ok(events[4]?.type === "notice");
    assert.equal(events[4].text, "queue mode: queue");
  });

  promise("session names are unique without regard to case, and fixed", async (ledger) => {
    const named = async (chatId: string, base: string) =>
      (await ledger.putContact(chatId, { name: chatId }, base)).sessionName;
    assert.equal(await named("1", "john"), "john");
    assert.equal(await named("2", "john-2"), "john-2");
    assert.equal(await named("3", "john"), "john-3");
    assert.equal(await named("4", "JOHN"), "JOHN-4");
    assert.equal(await named("5", "John-3"), "John-3-2");
    assert.equal(await named("1", "jack"), "john");
    assert.equal((await accepted(ledger, "6", "hi", { sessionNameBase: "john" })).chatId, "6");
    assert.equal((await ledger.chat("6"))?.sessionName, "john-5");
  });

  promise("chats are listed most recently active first, each on one page", async (ledger) => {
    for (const chatId of ["a", "b", "c", "d", "e"]) await accepted(ledger, chatId, "hi");
    const listed: string[] = [];
    let after: string | undefined;
    do {
      const page = await ledger.chats(after === undefined ? { limit: 2 } : { after, limit: 2 });
      listed.push(...page.chats.map((chat) => chat.chatId));
      after = page.next ?? undefined;
    } while (after !== undefined);
    assert.deepEqual(listed.toSorted(), ["a", "b", "c", "d", "e"]);

    const until = Date.now();
    while (Date.now() === until) await ledger.lastSeq();
    await accepted(ledger, "b", "again");
    assert.equal((await ledger.chats({ limit: 1 })).chats[0]?.chatId, "b");
  });

  promise("a chat's history is read from either end and within bounds", async (ledger) => {
    const session = await work(ledger, "a");
    for (const text of ["one", "two", "three"]) {
      const message = await accepted(ledger, "a", text);
      const turn = await turnOf(ledger, session, [message]);
      await ledger.endTurn(session.lease, answered(turn, [message]));
    }
    const seqs = async (page: HistoryPage) => (await ledger.history("a", page)).map(({ seq }) => seq);
    assert.deepEqual(await seqs({ limit: 9 }), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await seqs({ order: "newest", limit: 9 }), [6, 5, 4, 3, 2, 1]);
    assert.deepEqual(await seqs({ limit: 2 }), [1, 2]);
    assert.deepEqual(await seqs({ order: "newest", limit: 3 }), [6, 5, 4]);
    assert.deepEqual(await seqs({ order: "newest", before: 4, limit: 2 }), [3, 2]);
    assert.deepEqual(await seqs({ after: 2, limit: 2 }), [3, 4]);
    assert.deepEqual(await seqs({ after: 2, before: 5, order: "newest", limit: 9 }), [4, 3]);
    assert.deepEqual(await seqs({ before: 1, limit: 9 }), []);
  });

  promise("a page is 1 to 1000 long, and its cursor one of the ledger's own", async (ledger) => {
    for (const limit of [0, -1, 1001, 1.5, Number.NaN]) {
      await rejects(ledger.chats({ limit }), "invalid");
      await rejects(ledger.history("a", { limit }), "invalid");
      await rejects(ledger.changes(0, { limit }), "invalid");
    }
    await rejects(ledger.chats({ after: "nonsense", limit: 10 }), "invalid", /nonsense/);
  });

  promise(
    "a forgotten chat leaves nothing but its spaces' names, until these are gone; others keep all",
    async (ledger, reopen) => {
      const fill = async (chatId: string) => {
        const at = await work(ledger, chatId);
        const messages = [
          await accepted(ledger, chatId, `words of ${chatId}`),
          await accepted(ledger, chatId, "more"),
        ];
        const turn = await turnOf(ledger, at, messages);
        await ledger.beginTool(at.lease, toolCall(turn, "u"));
        const question = {
          id: `q ${chatId}`,
          messageId: messages[0]?.id ?? "",
          name: "Bash",
          input: "{}",
          digest: "d",
          reason: "r",
        };
        await ledger.askApproval(at.lease, { ...question, waitMs: 60_000, tell: null });
        await ledger.endTurn(at.lease, answered(turn, messages));
        await ledger.spend(chatId, spent({ cost: 5 }));
        await ledger.allowMore("2026-01-31", { scope: { chatId }, cost: 1 });
        await ledger.resetSession(at.lease, randomUUID());
        return at;
      };
      const all = async (on: Ledger, chatId: string) => [
        await on.chat(chatId),
        await on.openMessages(chatId),
        await on.processes(chatId, 10),
        await on.turns(chatId, 10),
        await on.acceptTimes(chatId, 10),
        await on.chatSpending(chatId, "2026-01-01"),
        await on.changes(0, { chatId, limit: 1000 }),
      ];
      const at = await fill("a");
      await fill("b");
      const kept = await all(ledger, "b");
      await ledger.forget(at.lease);
      await rejects(ledger.forget(at.lease), "stale_epoch");
      assert.deepEqual(await all(ledger, "b"), kept);
      const again = await reopen();
      assert.deepEqual(await all(again, "a"), [null, [], [], [], [], [], []]);
      assert.equal(await again.approval("q a"), null);
      assert.deepEqual(
        (await again.spending("2026-01-01")).map(({ cost }) => cost),
        [10],
      );
      assert.equal((await again.allowances("2026-01-31")).length, 1);
      const spaces = await again.forgottenSpaces();
      assert.equal(spaces.length, 2);
      for (const { sessionId } of spaces) await again.spaceGone(sessionId);
      assert.deepEqual(await again.forgottenSpaces(), []);
      const fresh = await accepted(again, "a", "hello again");
      assert.deepEqual([fresh.seq, (await again.chat("a"))?.session], [1, null]);
    },
  );
}
