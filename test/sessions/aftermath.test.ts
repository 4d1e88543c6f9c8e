import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { TranscriptTurn } from "../../src/claude/index.ts";
import { type Ledger, type Message, openSqliteLedger, type Reply } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { settle } from "../../src/sessions/aftermath.ts";
import { Book } from "../../src/sessions/book.ts";
import { type Entry, leftEntry } from "../../src/sessions/entry.ts";
import { OpenTurn } from "../../src/sessions/turn.ts";
import { accepted, allEvents, send } from "../ledger/support.ts";
import { ManualClock } from "./manual-clock.ts";

let folder: string;
let ledger: Ledger;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "switchboard-aftermath-"));
  ledger = await openSqliteLedger({ path: join(folder, "switchboard.db") });
});
after(async () => {
  await ledger.close();
  await rm(folder, { recursive: true });
});

const open = { kind: "open" } as const;
const answered = { kind: "answered" } as const;
const failed = { kind: "failed", code: "invalid_request", message: "API Error: 400" } as const;
const turn = (end: TranscriptTurn["end"], text: string, ...members: Message[]): TranscriptTurn => ({
  members: members.map(({ id }) => id),
  text,
  progress: 1,
  end,
  before: null,
});

function bookOf(chatId: string, on: Ledger): Book {
  const [clock, hurry] = [new ManualClock(), new AbortController()];
  const onFailure = (error: unknown) => assert.fail(String(error));
  return new Book({ chatId, hostId: "host", ledger: on, clock, log: silent, hurry: hurry.signal, onFailure });
}

/** A chat with these messages, each handed over to a process that is gone. */
async function death(...texts: string[]) {
  const chatId = `test:${randomUUID()}`;
  await ledger.putContact(chatId, { tier: "family" }, "chat");
  const book = bookOf(chatId, ledger);
  const { lease, record } = await book.open();
  const { generation } = await ledger.beginProcess(lease, record.id, "message");
  const messages: Message[] = [];
  for (const text of texts) {
    const message = await accepted(ledger, chatId, text);
    await ledger.charge(lease, generation, [send(message.id)]);
    messages.push(message);
  }
  return {
    chatId,
    book,
    messages,
    entries: () => entriesOf(chatId),
    /** Each message and what became of it, in a few words. */
    async told(): Promise<string[]> {
      const all = await Promise.all(messages.map(({ id }) => ledger.message(id)));
      return all.map((message) => {
        const { text, status, ran, error, reply } = message ?? assert.fail();
        return [text, status, ran ?? "", error?.code ?? "", reply?.kind === "answer" ? reply.text : ""]
          .filter((word) => word !== "")
          .join(" ");
      });
    },
    async replies(): Promise<Reply[]> {
      const rows = await ledger.history(chatId, { limit: 100 });
      return rows.flatMap((row) => ("answers" in row ? row : []));
    },
    turns: async () => (await ledger.turns(chatId, 10)).map(({ outcome }) => outcome),
  };
}

/** A turn that the daemon which writes this book saw begin with these. */
async function begin(book: Book, ...members: Entry[]): Promise<OpenTurn> {
  const { lease, record } = book.known;
  const { generation } = await ledger.beginProcess(lease, record.id, "message");
  const turn = new OpenTurn();
  turn.members.push(...members);
  const messageIds = idsOf(members);
  await ledger.beginTurn(lease, { id: turn.id, sessionId: record.id, generation, messageIds });
  return turn;
}

async function entriesOf(chatId: string): Promise<Entry[]> {
  const left = await ledger.openMessages(chatId);
  return left.map(({ message, tries }) => leftEntry(message, tries, 0));
}

const idsOf = (entries: readonly Entry[]) => entries.map(({ message }) => message.id);

describe("after a death", { timeout: 60_000 }, () => {
  it("what was answered is answered by the transcript, in the turn that was seen to begin", async () => {
    const { book, messages, entries, told, turns, replies } = await death("a", "b");
    const [a, b] = messages as [Message, Message];
    const all = await entries();
    const seen = await begin(book, ...all);
    const { ends, continued, requeued } = await settle(
      { entries: all, turn: seen, excused: false },
      [turn(answered, "Hello", a, b)],
      book,
    );
    assert.deepEqual(await told(), ["a answered Hello", "b answered Hello"]);
    assert.deepEqual(await turns(), ["answered"]);
    assert.deepEqual(
      (await replies()).map(({ kind, answers }) => [kind, answers]),
      [["answer", [a.id, b.id]]],
    );
    assert.deepEqual(
      ends.map(({ entry, end }) => [entry.message.id, end]),
      [a, b].map(({ id }) => [id, { status: "answered", ran: true }]),
    );
    assert.deepEqual([continued, requeued], [null, []]);
  });

  it("what was answered is answered by the transcript, in a turn of its own when nobody saw one begin", async () => {
    const { chatId, book, messages, entries, told, turns } = await death("a");
    const [a] = messages as [Message];
    await settle(
      { entries: await entries(), turn: null, excused: false },
      [turn(answered, "Hello", a)],
      book,
    );
    assert.deepEqual(await told(), ["a answered Hello"]);
    assert.deepEqual(await turns(), ["answered"]);
    const chat = await ledger.chat(chatId);
    assert.equal(chat?.session?.sdkSessionId, book.known.record.id, "the transcript proves the session");
  });

  it("what was cut goes on: its turn has ended, its messages wait with what it had achieved", async () => {
    const { book, messages, entries, told, turns } = await death("a", "b");
    const [a, b] = messages as [Message, Message];
    const all = await entries();
    const seen = await begin(book, ...all);
    const { ends, continued, requeued } = await settle(
      { entries: all, turn: seen, excused: false },
      [turn(open, "So far", a, b)],
      book,
    );
    assert.deepEqual(await told(), ["a queued", "b queued"]);
    assert.deepEqual([await turns(), ends], [["cut"], []]);
    assert.deepEqual(continued && { ...continued, entries: idsOf(continued.entries) }, {
      entries: [a.id, b.id],
      text: "So far",
      progress: 1,
      messageIds: [a.id, b.id],
    });
    assert.deepEqual(idsOf(requeued), [a.id, b.id]);
    assert.ok(requeued.every(({ phase, tries }) => phase === "queued" && tries.at(-1)?.outcome === "lost"));
  });

  for (const [excused, outcome] of [
    [false, "lost"],
    [true, "excused"],
  ] as const) {
    it(`what nobody read is queued again, its try ${outcome}`, async () => {
      const { chatId, book, entries, told } = await death("a");
      const all = await entries();
      const { requeued } = await settle({ entries: all, turn: null, excused }, [], book);
      assert.deepEqual([await told(), requeued], [["a queued"], all]);
      const [left] = await ledger.openMessages(chatId);
      assert.deepEqual(
        left?.tries.map((each) => each.outcome),
        [outcome],
      );
      assert.deepEqual(
        all[0]?.tries.map((each) => each.outcome),
        [outcome],
      );
    });
  }

  it("what happened now counts: the third death is the last, unless it is excused", async () => {
    for (const [excused, told] of [
      [false, "a failed tries_exhausted"],
      [true, "a queued"],
    ] as const) {
      const one = await death("a");
      const { lease, record } = one.book.known;
      const [a] = one.messages as [Message];
      for (let n = 0; n < 2; n++) {
        await ledger.requeue(lease, [a.id], "lost");
        const { generation } = await ledger.beginProcess(lease, record.id, "message");
        await ledger.charge(lease, generation, [send(a.id, randomUUID())]);
      }
      await settle({ entries: await one.entries(), turn: null, excused }, [], one.book);
      assert.deepEqual(await one.told(), [told]);
    }
  });

  it("what failed and what was stopped has its end, and one who was failed is told", async () => {
    const { book, messages, entries, told, turns, replies } = await death("a", "b", "c");
    const [a, b, c] = messages as [Message, Message, Message];
    const all = await entries();
    const [first] = all as [Entry];
    const seen = await begin(book, first);
    for (const each of all) each.stopRequested = each.message.id === c.id;
    const { ends } = await settle(
      { entries: all, turn: seen, excused: false },
      [turn({ kind: "interrupted" }, "", a), turn(failed, "", b)],
      book,
    );
    assert.deepEqual(await told(), ["a stopped true", "b failed invalid_request", "c stopped false"]);
    assert.deepEqual(await turns(), ["stopped"]);
    assert.deepEqual(
      ends.map(({ end }) => end.status),
      ["stopped", "failed", "stopped"],
    );
    assert.deepEqual(
      (await replies()).map(({ kind, answers }) => [kind, answers]),
      [["notice", [b.id]]],
    );
  });

  it("nothing is written when nothing was left", async () => {
    const { book } = await death();
    const last = await ledger.lastSeq();
    assert.deepEqual(await settle({ entries: [], turn: null, excused: false }, [], book), {
      ends: [],
      continued: null,
      requeued: [],
    });
    assert.deepEqual(await allEvents(ledger, last), []);
  });
});

/** The ledger until the daemon dies: at the write number `n` that settles something, or behind the last. */
function dying(n: number): Ledger {
  let left = n;
  const before =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      left -= 1;
      if (left < 0) throw new Error("the daemon dies here");
      return await call(...args);
    };
  const { requeue, beginTurn, endTurn, endMessages } = ledger;
  return {
    ...ledger,
    requeue: before(requeue),
    beginTurn: before(beginTurn),
    endTurn: before(endTurn),
    endMessages: before(endMessages),
  };
}

describe("a daemon that dies while it settles a death", { timeout: 60_000 }, () => {
  const texts = ["joined", "answered", "alone", "unseen", "failed", "stopped", "cut"];
  const expected = [
    "joined answered Both",
    "answered answered Both",
    "alone answered One",
    "unseen queued",
    "failed failed invalid_request",
    "stopped stopped true",
    "cut queued",
  ];
  // Which member's turn this daemon had seen begin.
  for (const seen of ["answered", "failed", "cut", null]) {
    it(`is followed by one that comes to the same end, wherever it died (it saw begin: ${seen})`, async () => {
      for (let n = 0, over = false; !over; n++) {
        const { chatId, messages, entries, told, replies } = await death(...texts);
        const [joined, first, alone, , bad, ended, cut] = messages as [
          ...[Message, Message, Message, Message],
          ...[Message, Message, Message],
        ];
        const turns = [
          turn(answered, "Both", first, joined),
          turn(answered, "One", alone),
          turn(failed, "", bad),
          turn({ kind: "interrupted" }, "", ended),
          turn(open, "So far", cut),
        ];
        const all = await entries();
        const members = all.filter(({ message }) => message.text === seen);
        const book = bookOf(chatId, dying(n));
        await book.open();
        const begun = members.length === 0 ? null : await begin(book, ...members);
        const dead = await settle({ entries: all, turn: begun, excused: false }, turns, book).then(
          () => false,
          () => true,
        );
        over = !dead;

        const next = bookOf(chatId, ledger);
        await next.open();
        const left = (await entriesOf(chatId)).filter(
          ({ phase, tries }) => phase !== "queued" || tries.length > 0,
        );
        const { continued, requeued } = await settle(
          { entries: left, turn: null, excused: false },
          turns,
          next,
        );
        assert.deepEqual(await told(), expected, `it died at write ${n}`);
        assert.deepEqual(idsOf(continued?.entries ?? []), [cut.id]);
        assert.deepEqual(requeued.map(({ message }) => message.text).sort(), ["cut", "unseen"]);
        const named = (await replies()).flatMap(({ answers }) => answers);
        assert.equal(new Set(named).size, named.length, "nobody is told twice");
        assert.equal(named.length, 4);
        assert.ok(n < 20, "it never came to its end");
      }
    });
  }
});
