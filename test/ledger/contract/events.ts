import assert from "node:assert/strict";
import type { LedgerEvent } from "../../../src/ledger/index.ts";
import { accepted, allEvents, answered, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function eventsPromises(promise: PromiseTest): void {
  promise("events are numbered, paged, and told by chat", async (ledger) => {
    for (const chatId of ["a", "b", "a"]) await accepted(ledger, chatId, "hi");
    const events = await allEvents(ledger);
    assert.deepEqual(
      events.map((event) => event.seq),
      events.map((_, index) => index + 1),
    );
    assert.equal(await ledger.lastSeq(), events.length);
    assert.deepEqual(await ledger.changes(1, { limit: 2 }), events.slice(1, 3));
    assert.deepEqual(
      await ledger.changes(1, { chatId: "a", limit: 10 }),
      events.slice(1).filter((event) => event.chatId === "a"),
    );
  });

  promise("an event keeps what was, whatever became of it", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi", { externalId: "x" });
    const turn = await turnOf(ledger, at, [message]);
    await ledger.endTurn(at.lease, answered(turn, [message]));
    const [queued] = (await allEvents(ledger)).filter((event) => event.type === "message");
    assert.deepEqual(queued?.message, {
      id: message.id,
      externalId: "x",
      seq: 1,
      text: "hi",
      attachments: [],
      status: "queued",
      ran: null,
      tries: 0,
      error: null,
      replyId: null,
    });
  });

  promise("notices of what happened are appended as they are given", async (ledger) => {
    const { lease } = await work(ledger, "a");
    const last = await ledger.lastSeq();
    const notices = ["x", "y"].map((code) => ({ type: "notice" as const, code, text: `of ${code}` }));
    await ledger.append(lease, notices);
    assert.deepEqual(
      (await allEvents(ledger, last)).map(({ seq, at, ...change }) => change),
      notices.map((notice) => ({ chatId: "a", ...notice })),
    );
  });

  promise("listeners get what is committed, in order, as it can be read", async (ledger) => {
    const heard: LedgerEvent[] = [];
    const unsubscribe = ledger.onCommit((events) => heard.push(...events));
    const at = await work(ledger, "a");
    const messages = await Promise.all(Array.from({ length: 50 }, (_, n) => accepted(ledger, "a", `${n}`)));
    await ledger.endTurn(at.lease, answered(await turnOf(ledger, at, messages), messages));
    await assert.rejects(ledger.acquire("nobody's", "host"));
    assert.deepEqual(heard, await allEvents(ledger));
    unsubscribe();
    await accepted(ledger, "a", "unheard");
    assert.equal(heard.length, (await ledger.lastSeq()) - 1);
  });

  promise("a listener hears of a commit before the caller goes on", async (ledger) => {
    let heard = 0;
    ledger.onCommit((events) => {
      heard += events.length;
    });
    await accepted(ledger, "a", "hi");
    assert.equal(heard, 2);
  });
}
