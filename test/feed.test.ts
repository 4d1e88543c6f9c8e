import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import { Feed } from "../src/feed.ts";
import { type Ledger, type Message, openSqliteLedger } from "../src/ledger/index.ts";
import { chatView, type EventView, eventView, messageView, replyEntry } from "../src/views.ts";
import { accepted, answered, stopped, turnOf, type Work, work } from "./ledger/support.ts";

let folder: string;
let ledger: Ledger;
/** How many listen to the ledger at the moment. */
let listeners = 0;
let chat: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "switchboard-feed-"));
  const sqlite = await openSqliteLedger({ path: join(folder, "switchboard.db") });
  ledger = {
    ...sqlite,
    onCommit(listener) {
      const unsubscribe = sqlite.onCommit(listener);
      listeners += 1;
      return () => {
        listeners -= 1;
        unsubscribe();
      };
    },
  };
});
after(async () => {
  await ledger.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  chat = `test:${randomUUID()}`;
});

async function next(events: AsyncGenerator<EventView, void, void>): Promise<EventView> {
  const { value } = await events.next();
  assert.ok(value !== undefined, "the feed has ended");
  return value;
}

/** What there is to tell of an event, in a word. */
function told(event: EventView): string {
  switch (event.type) {
    case "text":
      return `text ${event.text}`;
    case "message":
      return `message ${event.message.text} ${event.message.status}`;
    default:
      return event.type;
  }
}

/** The next events until one is `last`, as {@link told}. */
async function until(events: AsyncGenerator<EventView, void, void>, last: string): Promise<string[]> {
  const all: string[] = [];
  while (all.at(-1) !== last) all.push(told(await next(events)));
  return all;
}

const piece = (offset: number, text: string, chatId = chat) => ({ chatId, turnId: "turn", offset, text });

async function stop(message: Message, { lease }: Work): Promise<void> {
  await ledger.endMessages(lease, [stopped(message)]);
}

describe("who follows the feed", { timeout: 20_000 }, () => {
  it("gets every event after the given one, the live ones too, without gap or double", async () => {
    const feed = new Feed(ledger);
    const seq = await ledger.lastSeq();
    for (const text of ["1", "2"]) await accepted(ledger, chat, text);
    const events = feed.follow({ after: seq, chatId: chat });
    const first = await until(events, "message 1 queued");
    for (const text of ["3", "4"]) await accepted(ledger, chat, text);
    const rest = await until(events, "message 4 queued");
    const all = [...first, ...rest];
    assert.deepEqual(
      all.filter((each) => each.startsWith("message")),
      ["1", "2", "3", "4"].map((text) => `message ${text} queued`),
    );
    feed.close();
  });

  it("gets what comes from now on when no number is given", async () => {
    const feed = new Feed(ledger);
    await accepted(ledger, chat, "before");
    const events = feed.follow({ chatId: chat });
    const event = next(events);
    // The reader is there as soon as its first read has been answered.
    await ledger.lastSeq();
    await accepted(ledger, chat, "after");
    assert.equal(told(await event), "message after queued");
    feed.close();
  });

  it("gets all that has happened, however much, and no more when nothing is to be followed", async () => {
    const feed = new Feed(ledger);
    const many = `${chat}:many`;
    const texts = Array.from({ length: 300 }, (_, at) => String(at));
    await Promise.all(texts.map((text) => accepted(ledger, many, text)));
    const past: string[] = [];
    for await (const event of feed.follow({ chatId: many, follow: false })) past.push(told(event));
    assert.deepEqual(
      past.filter((each) => each.startsWith("message")),
      texts.map((text) => `message ${text} queued`),
    );
    feed.close();
  });

  it("gets a chat's events and pieces only, or everybody's", async () => {
    const feed = new Feed(ledger);
    const other = `${chat}:other`;
    const seq = await ledger.lastSeq();
    const own = feed.follow({ after: seq, chatId: chat });
    const all = feed.follow({ after: seq });
    const firsts = [next(own), next(all)];
    for (const chatId of [other, chat]) {
      feed.text(piece(0, `for ${chatId}`, chatId));
      await accepted(ledger, chatId, `to ${chatId}`);
    }
    const ofOwn = [
      told((await firsts[0]) ?? assert.fail()),
      ...(await until(own, `message to ${chat} queued`)),
    ];
    const ofAll = [
      told((await firsts[1]) ?? assert.fail()),
      ...(await until(all, `message to ${chat} queued`)),
    ];
    assert.ok(ofOwn.includes(`text for ${chat}`));
    assert.ok(ofAll.includes(`text for ${chat}`));
    assert.ok(ofAll.includes(`text for ${other}`));
    assert.ok(!ofOwn.some((each) => each.includes(other)));
    feed.close();
  });

  it("gets no pieces of text when it wants none", async () => {
    const feed = new Feed(ledger);
    const events = feed.follow({ after: await ledger.lastSeq(), chatId: chat, text: false });
    const first = next(events);
    feed.text(piece(0, "Hel"));
    await accepted(ledger, chat, "wanted");
    const told = [await first, ...(await until(events, "message wanted queued"))];
    assert.equal(JSON.stringify(told).includes("Hel"), false);
    feed.close();
  });

  it("gets pieces of text in order, before the event that was committed after them", async () => {
    const feed = new Feed(ledger);
    const events = feed.follow({ after: await ledger.lastSeq(), chatId: chat });
    const first = next(events);
    feed.text(piece(0, "Hel"));
    feed.text(piece(3, "lo"));
    await accepted(ledger, chat, "later");
    assert.deepEqual(await first, { type: "text", ...piece(0, "Hel") });
    const rest = await until(events, "message later queued");
    assert.equal(rest[0], "text lo");
    feed.close();
  });

  it("loses old pieces when slow, never an event, and costs a bounded buffer", async () => {
    const feed = new Feed(ledger);
    const events = feed.follow({ after: await ledger.lastSeq(), chatId: chat });
    const first = next(events);
    feed.text(piece(0, "first"));
    await first;
    for (let n = 0; n < 1500; n++) feed.text(piece(n, `${n}`));
    await Promise.all(Array.from({ length: 300 }, (_, n) => accepted(ledger, chat, `${n}`)));
    const all = await until(events, "message 299 queued");
    const texts = all.filter((each) => each.startsWith("text"));
    assert.deepEqual(
      texts,
      Array.from({ length: 1000 }, (_, n) => `text ${n + 500}`),
    );
    assert.equal(all.filter((each) => each.startsWith("message")).length, 300);
    feed.close();
  });

  it("ends at the abort, and when the feed is closed", async () => {
    const feed = new Feed(ledger);
    const abort = new AbortController();
    const aborted = feed.follow({ signal: abort.signal }).next();
    const closed = feed.follow({}).next();
    abort.abort();
    assert.deepEqual(await aborted, { value: undefined, done: true });
    feed.close();
    assert.deepEqual(await closed, { value: undefined, done: true });
    assert.deepEqual(await feed.follow({}).next(), { value: undefined, done: true });
  });

  it("leaves nothing on the ledger when it goes, whether it was waiting, aborted, or left in between", async () => {
    const feed = new Feed(ledger);
    const before = listeners;
    const seq = await ledger.lastSeq();
    for (const text of ["1", "2", "3"]) await accepted(ledger, chat, text);
    for await (const event of feed.follow({ after: seq, chatId: chat })) {
      if (told(event) === "message 1 queued") break;
    }
    const latest = feed.follow({ after: seq, chatId: chat });
    await until(latest, "message 3 queued");
    feed.text(piece(0, "with the next event asked for"));
    await until(latest, "text with the next event asked for");
    await latest.return();

    const abort = new AbortController();
    const waiting = feed.follow({ chatId: chat, signal: abort.signal }).next();
    abort.abort();
    await waiting;
    await ledger.lastSeq();
    await settle();
    assert.equal(listeners, before);
  });
});

describe("who waits for a message's end", { timeout: 20_000 }, () => {
  const never = { timeoutMs: 3_600_000 };

  it("is told by the end itself, and by no other message's", async () => {
    const feed = new Feed(ledger);
    const session = await work(ledger, chat);
    const [mine, other] = [await accepted(ledger, chat, "mine"), await accepted(ledger, chat, "other")];
    let over = false;
    const { promise } = feed.ended(mine.id, never);
    const ended = promise.then(() => (over = true));
    await stop(other, session);
    const turnId = await turnOf(ledger, session, [mine]);
    await settle();
    assert.equal(over, false);
    await ledger.endTurn(session.lease, answered(turnId, [mine]));
    await ended;
  });

  it("may be one of several, each on their own", async () => {
    const feed = new Feed(ledger);
    const session = await work(ledger, chat);
    const message = await accepted(ledger, chat, "x");
    const [first, second, third] = [1, 2, 3].map(() => feed.ended(message.id, never));
    first?.cancel();
    await first?.promise;
    await stop(message, session);
    await Promise.all([second?.promise, third?.promise]);
  });

  it("waits no longer than it said, and as long as it said", async () => {
    const feed = new Feed(ledger);
    await feed.ended("nobody", { timeoutMs: 1 }).promise;
    let over = false;
    const patient = feed.ended("nobody", { timeoutMs: Number.POSITIVE_INFINITY });
    void patient.promise.then(() => (over = true));
    await feed.ended("nobody", { timeoutMs: 20 }).promise;
    assert.equal(over, false);
    patient.cancel();
  });

  it("waits no longer when it is aborted, was so already, or the feed is closed", async () => {
    const feed = new Feed(ledger);
    const abort = new AbortController();
    const waits = [
      feed.ended("nobody", { ...never, signal: abort.signal }),
      feed.ended("nobody", { ...never, signal: AbortSignal.abort() }),
    ];
    abort.abort();
    await Promise.all(waits.map(({ promise }) => promise));
    const waiting = feed.ended("nobody", never);
    feed.close();
    await waiting.promise;
    await feed.ended("nobody", never).promise;
  });
});

describe("what callers see", () => {
  const route = { channel: "telegram", secret: "where replies go" };
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

  /** An answered message, with all that the ledger has of it. */
  async function conversation() {
    const session = await work(ledger, chat);
    const before = await ledger.lastSeq();
    const sender = { id: "1", name: "Jane" };
    const message = await accepted(ledger, chat, "Hello", { externalId: "wamid.1", route, sender });
    const turnId = await turnOf(ledger, session, [message]);
    await ledger.endTurn(session.lease, answered(turnId, [message]));
    return { id: message.id, before };
  }

  it("of a message is its state, with times in ISO 8601, and neither route nor sender", async () => {
    const { id } = await conversation();
    const message = (await ledger.message(id)) ?? assert.fail();
    const { acceptedAt, sentAt, endedAt, reply, ...rest } = messageView(message, null);
    for (const at of [acceptedAt, sentAt, endedAt]) assert.match(`${at}`, time);
    assert.equal(acceptedAt, new Date(message.acceptedAt).toISOString());
    assert.deepEqual(rest, {
      id,
      externalId: "wamid.1",
      chatId: chat,
      seq: 1,
      text: "Hello",
      attachments: [],
      status: "answered",
      ran: null,
      waiting: null,
      tries: 1,
      error: null,
    });
    assert.deepEqual(reply, {
      id: message.reply?.id,
      kind: "answer",
      text: "an answer",
      answers: [id],
      status: "sent",
      attempts: 0,
      error: null,
    });
  });

  it("of a message on its way has no time that has not come", async () => {
    await work(ledger, chat);
    const { sentAt, endedAt, reply, waiting } = messageView(await accepted(ledger, chat, "x"), {
      for: "slot",
      position: 2,
    });
    assert.deepEqual(
      { sentAt, endedAt, reply, waiting },
      {
        sentAt: null,
        endedAt: null,
        reply: null,
        waiting: { for: "slot", position: 2 },
      },
    );
  });

  it("of a chat's history is messages and replies, each with its place and without its route", async () => {
    const { id } = await conversation();
    const rows = await ledger.history(chat, { limit: 10 });
    const [message, reply] = rows.map((row) =>
      "kind" in row ? replyEntry(row) : messageView(row, { for: "model" }),
    );
    assert.ok(message !== undefined && "waiting" in message && reply !== undefined && "type" in reply);
    assert.deepEqual([message.seq, message.chatId, message.waiting], [1, chat, { for: "model" }]);
    assert.deepEqual([reply.type, reply.seq, reply.chatId], ["reply", 2, chat]);
    assert.ok(reply.type === "reply");
    assert.match(reply.createdAt, time);
    assert.deepEqual(Object.keys(reply).sort(), [
      "answers",
      "attempts",
      "chatId",
      "createdAt",
      "error",
      "id",
      "kind",
      "seq",
      "status",
      "text",
      "type",
    ]);
    assert.deepEqual(reply.answers, [id]);
    assert.ok(!JSON.stringify([message, reply]).includes(route.secret));
  });

  it("of events is what changed and when, and no route", async () => {
    const { before } = await conversation();
    const events = (await ledger.changes(before, { chatId: chat, limit: 100 })).map(eventView);
    const types = events.map(({ type }) => type);
    for (const type of ["message", "turn", "reply"] as const) assert.ok(types.includes(type), type);
    for (const event of events) assert.match(event.type === "text" ? "" : event.at, time);
    const reply = events.find((event) => event.type === "reply") ?? assert.fail();
    assert.deepEqual(Object.keys(reply.reply).sort(), [
      "answers",
      "attempts",
      "error",
      "id",
      "kind",
      "status",
      "text",
    ]);
    assert.ok(!JSON.stringify(events).includes(route.secret));
  });

  it("of a chat is its contact and what is open in it; a session id only when a turn has proven it", async () => {
    const { lease, session, generation } = await work(ledger, chat);
    const message = await accepted(ledger, chat, "x");
    const view = async () => {
      const row = (await ledger.chat(chat)) ?? assert.fail();
      return chatView(row, { state: "dormant", held: null, process: null });
    };
    const { createdAt, lastMessageAt, sessionName, ...rest } = await view();
    assert.match(createdAt, time);
    assert.match(`${lastMessageAt}`, time);
    assert.match(sessionName, /^chat/);
    assert.deepEqual(rest, {
      chatId: chat,
      contact: { name: null, tier: "family", group: false, queueMode: null },
      sessionId: null,
      state: "dormant",
      held: null,
      process: null,
      queued: 1,
      usage: { turns: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
    });
    const turnId = await turnOf(ledger, { lease, session, generation }, [message]);
    const proven = { sessionId: session.id, sdkSessionId: "proven", toldFacts: null };
    await ledger.endTurn(lease, answered(turnId, [message], { proven }));
    const { sessionId, queued } = await view();
    assert.deepEqual({ sessionId, queued }, { sessionId: "proven", queued: 0 });
  });
});
