import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ChatImport } from "../../../src/ledger/index.ts";
import { accepted, allEvents, answered, rejects, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

function chat(chatId: string, fields: Partial<ChatImport> = {}): ChatImport {
  return {
    chatId,
    contact: { name: "Ann", tier: "family" },
    sessionName: "ann",
    session: null,
    createdAt: 1000,
    lastMessageAt: 2000,
    extra: null,
    ...fields,
  };
}

export function importsPromises(promise: PromiseTest): void {
  promise(
    "a chat that is imported is as the other host knew it, and is told by one notice",
    async (ledger) => {
      const [imported] = await ledger.importChats([chat("a", { extra: '{"source":"x"}' })]);
      assert.deepEqual(imported, {
        chatId: "a",
        did: "new",
        contact: { name: "Ann", tier: "family", group: false, queueMode: null },
        sessionName: "ann",
        session: null,
      });
      const { createdAt, lastMessageAt, contact, session, sessionName } =
        (await ledger.chat("a")) ?? assert.fail();
      assert.deepEqual(
        [createdAt, lastMessageAt, contact.name, session, sessionName],
        [1000, 2000, "Ann", null, "ann"],
      );
      const [event, ...more] = await allEvents(ledger);
      assert.ok(event?.type === "notice" && more.length === 0);
      assert.equal(event.code, "chat_imported");
    },
  );

  promise("of several chats of one name each has another session name", async (ledger) => {
    const made = await ledger.importChats(["a", "b", "c"].map((id) => chat(id)));
    assert.deepEqual(
      made.map(({ sessionName }) => sessionName),
      ["ann", "ann-2", "ann-3"],
    );
  });

  promise("an import is done whole or not at all", async (ledger) => {
    const id = randomUUID();
    const session = { kind: "proven", id, sdkSessionId: randomUUID() } as const;
    // The same space twice: nothing that a caller would do, and refused by the storage itself.
    await rejects(ledger.importChats([chat("a"), chat("b", { session }), chat("c", { session })]), "invalid");
    assert.deepEqual(await ledger.chats({ limit: 10 }), { chats: [], next: null });
    assert.deepEqual(await allEvents(ledger), []);
  });

  promise(
    "each of very many imported chats is told once and in order, to whoever listens",
    async (ledger) => {
      const heard: number[] = [];
      ledger.onCommit((events) => heard.push(...events.map(({ seq }) => seq)));
      await ledger.importChats(Array.from({ length: 2500 }, (_, n) => chat(`chat ${n}`)));
      await ledger.lastSeq();
      assert.deepEqual(
        heard,
        Array.from({ length: 2500 }, (_, n) => n + 1),
      );
    },
  );

  promise("a proven session is the chat's own from then on", async (ledger) => {
    const session = { kind: "proven", id: randomUUID(), sdkSessionId: randomUUID() } as const;
    const [imported] = await ledger.importChats([chat("a", { session })]);
    assert.equal(imported?.session, "taken");
    const known = await ledger.chat("a");
    assert.deepEqual([known?.session?.id, known?.session?.sdkSessionId], [session.id, session.sdkSessionId]);
    assert.equal(known?.unprovenSessionId, null);
    const { session: opened } = await work(ledger, "a");
    assert.equal(opened.id, session.id);
  });

  promise("an unproven session id is kept until a turn has proven another", async (ledger, reopen) => {
    const session = { kind: "unproven", sessionId: "abc-123-def" } as const;
    await ledger.importChats([chat("a", { session })]);
    const opened = await reopen();
    assert.equal((await opened.chat("a"))?.unprovenSessionId, "abc-123-def");
    assert.equal((await opened.portableChats("", 10))[0]?.sessionId, "abc-123-def");

    const working = await work(opened, "a");
    const message = await accepted(opened, "a", "hi");
    const turn = await turnOf(opened, working, [message]);
    assert.equal((await opened.chat("a"))?.unprovenSessionId, "abc-123-def");
    const proven = { sessionId: working.session.id, sdkSessionId: "sdk", toldFacts: null };
    await opened.endTurn(working.lease, answered(turn, [message], { proven }));
    assert.equal((await opened.chat("a"))?.unprovenSessionId, null);
    assert.equal((await opened.portableChats("", 10))[0]?.sessionId, "sdk");
  });

  promise("a chat that is known keeps its session, name and times, and takes the contact", async (ledger) => {
    const { session } = await work(ledger, "a");
    const before = (await ledger.chat("a")) ?? assert.fail();
    const theirs = { kind: "proven", id: randomUUID(), sdkSessionId: randomUUID() } as const;
    const [imported] = await ledger.importChats([chat("a", { session: theirs })]);
    assert.deepEqual([imported?.did, imported?.session], ["changed", "kept"]);
    const after = (await ledger.chat("a")) ?? assert.fail();
    assert.deepEqual({ ...after, contact: null }, { ...before, contact: null });
    assert.equal(after.session?.id, session.id);
    assert.equal(after.contact.name, "Ann");
  });

  promise("the same import again changes nothing", async (ledger) => {
    const chats = [
      chat("a", { session: { kind: "unproven", sessionId: "x" }, extra: '{"y":1}' }),
      chat("b", { session: { kind: "proven", id: randomUUID(), sdkSessionId: randomUUID() } }),
    ];
    await ledger.importChats(chats);
    const before = [await ledger.portableChats("", 10), await ledger.lastSeq()];
    const again = await ledger.importChats(chats);
    assert.deepEqual(
      again.map(({ did, session }) => [did, session]),
      [
        ["unchanged", "taken"],
        ["unchanged", "known"],
      ],
    );
    assert.deepEqual([await ledger.portableChats("", 10), await ledger.lastSeq()], before);
  });

  promise("what another host can take over is told in order of chat id, by pages", async (ledger) => {
    await ledger.importChats([chat("b"), chat("ä"), chat("a", { extra: '{"k":[1]}' }), chat("Z")]);
    const first = await ledger.portableChats("", 2);
    assert.deepEqual(
      first.map(({ chatId }) => chatId),
      ["Z", "a"],
    );
    assert.deepEqual(first[1], {
      chatId: "a",
      contact: { name: "Ann", tier: "family", group: false, queueMode: null },
      sessionName: "ann-3",
      sessionId: null,
      createdAt: 1000,
      lastMessageAt: 2000,
      extra: '{"k":[1]}',
    });
    assert.deepEqual(
      (await ledger.portableChats("a", 10)).map(({ chatId }) => chatId),
      ["b", "ä"],
    );
    await rejects(ledger.portableChats("", 0), "invalid");
  });
}
