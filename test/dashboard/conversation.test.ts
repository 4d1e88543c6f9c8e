/** A conversation from its events and pages: in order, once, and never back from an end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Conversation,
  emptyConversation,
  isOpen,
  isWorking,
  withEvent,
  withPage,
  withWaiting,
} from "../../src/dashboard/conversation.js";
import { noticeWords } from "../../src/dashboard/words.js";
import type { EventView, HistoryEntry } from "../../src/views.ts";

const at = "2026-01-01T10:00:00.000Z";
const frame = { at, chatId: "c" };
type Status = "queued" | "sent" | "answered" | "failed";

let eventSeq = 0;
function told(id: string, seq: number, status: Status): EventView {
  const message = {
    id,
    externalId: null,
    seq,
    text: id,
    status,
    attachments: [],
    ran: null,
    tries: 0,
    error: null,
    replyId: null,
  };
  return { ...frame, seq: ++eventSeq, type: "message", message };
}
function reply(id: string, text: string): EventView {
  return {
    ...frame,
    seq: ++eventSeq,
    type: "reply",
    reply: { id, kind: "answer", text, answers: [], status: "sent", attempts: 0, error: null },
  };
}
function turn(turnId: string, state: "started" | "answered" | "failed" | "cut"): EventView {
  return { ...frame, seq: ++eventSeq, type: "turn", turnId, state, messageIds: [] };
}
function tool(name: string, state: "started" | "unknown"): EventView {
  return { ...frame, seq: ++eventSeq, type: "tool", turnId: "t", toolUseId: name, name, state };
}
function piece(turnId: string, offset: number, text: string): EventView {
  return { type: "text", chatId: "c", turnId, offset, text };
}
function stored(id: string, seq: number, status: Status, waiting: "slot" | null = null): HistoryEntry {
  return {
    ...{
      type: "message",
      id,
      externalId: null,
      chatId: "c",
      seq,
      text: id,
      attachments: [],
      status,
      ran: null,
      tries: 0,
    },
    ...{ error: null, reply: null, acceptedAt: at, sentAt: null, endedAt: null },
    waiting: waiting === null ? null : { for: waiting, position: 2 },
  };
}
const after = (...events: EventView[]): Conversation => events.reduce(withEvent, emptyConversation);
const ids = ({ entries }: Conversation) => entries.map(({ id }) => id);
const statuses = ({ entries }: Conversation) =>
  entries.map((entry) => (entry.type === "message" ? entry.status : entry.type));
const draft = ({ draft }: Conversation) => draft?.stretches.map(({ text }) => text);

describe("a conversation", () => {
  it("shows a message once, with its latest status, and its reply behind it", () => {
    const seen = after(
      told("m", 1, "queued"),
      told("m", 1, "sent"),
      told("m", 1, "answered"),
      reply("r", "Hello"),
    );
    assert.deepEqual(
      [ids(seen), statuses(seen)],
      [
        ["m", "r"],
        ["answered", "reply"],
      ],
    );
  });

  it("is the same when a page has shown already what its events tell again", () => {
    const events = [
      told("m", 1, "queued"),
      told("m", 1, "sent"),
      told("m", 1, "answered"),
      reply("r", "Hello"),
    ];
    const page = withPage(emptyConversation, { history: [stored("m", 1, "answered")], next: null });
    for (let i = 0; i <= events.length; i++) {
      const seen = events.slice(0, i).reduce(withEvent, page);
      assert.equal(statuses(seen)[0], "answered");
    }
    assert.deepEqual(ids(events.reduce(withEvent, page)), ["m", "r"]);
  });

  it("keeps a reply in its place while its delivery goes on, with what came of that", () => {
    const told1 = reply("r", "Hello");
    assert.ok(told1.type === "reply");
    const error = { code: "not_sent", message: "connection refused" };
    const failed: EventView = {
      ...told1,
      seq: ++eventSeq,
      reply: { ...told1.reply, status: "failed", error },
    };
    const seen = after(told("m", 1, "answered"), told1, told("n", 3, "queued"), failed);
    assert.deepEqual(ids(seen), ["m", "r", "n"]);
    const [, entry] = seen.entries;
    assert.ok(entry?.type === "reply");
    assert.deepEqual([entry.status, entry.error], ["failed", error]);
  });

  it("lets a message that was handed over go back to the queue", () => {
    assert.deepEqual(statuses(after(told("m", 1, "sent"), told("m", 1, "queued"))), ["queued"]);
  });

  it("puts older pages above, and leaves what stands on a page that is not there yet to that page", () => {
    const newest = withPage(emptyConversation, {
      history: [stored("c", 3, "answered"), stored("b", 2, "queued")],
      next: 2,
    });
    const told1 = withEvent(newest, told("a", 1, "answered"));
    assert.deepEqual(ids(told1), ["b", "c"]);
    const all = withPage(told1, { history: [stored("a", 1, "answered")], next: null });
    assert.deepEqual([ids(all), all.older], [["a", "b", "c"], null]);
  });

  it("keeps the objects of entries that did not change", () => {
    const before = after(told("a", 1, "answered"), told("b", 2, "queued"));
    const now = withWaiting(withEvent(before, told("b", 2, "sent")), [stored("a", 1, "answered")]);
    assert.equal(now.entries[0], before.entries[0]);
  });

  it("says what a message waits for, as long as it stands where it was asked about", () => {
    const waiting = (conversation: Conversation) =>
      conversation.entries.map((entry) => isOpen(entry) && (entry.waiting?.for ?? null));
    const queued = after(told("m", 1, "queued"));
    assert.deepEqual(waiting(withWaiting(queued, [stored("m", 1, "queued", "slot")])), ["slot"]);
    const sent = withEvent(queued, told("m", 1, "sent"));
    assert.deepEqual(waiting(withWaiting(sent, [stored("m", 1, "queued", "slot")])), [null]);
  });
});

describe("a turn that was cut", () => {
  it("is told of between what came before and what comes after, and runs no tool any more", () => {
    const seen = after(
      told("m", 1, "sent"),
      tool("Read", "started"),
      turn("t", "cut"),
      told("m", 1, "answered"),
      reply("r", "Hello"),
    );
    assert.deepEqual(
      seen.entries.map((entry) => (entry.type === "event" ? noticeWords(entry) : entry.id)),
      ["m", "Claude was cut off while it worked. The messages go on.", "r"],
    );
    assert.equal(seen.tools.size, 0);
  });

  it("has no tool running whose end nobody knows", () => {
    assert.deepEqual([...after(tool("Read", "started")).tools.values()], ["Read"]);
    assert.equal(after(tool("Read", "started"), tool("Read", "unknown")).tools.size, 0);
  });
});

describe("the text of a reply on its way", () => {
  it("grows by its pieces, and a piece below the end replaces what stands from there on", () => {
    const seen = after(piece("t", 0, "one "), piece("t", 4, "two"), turn("t", "started"));
    assert.deepEqual(draft(seen), ["one two"]);
    assert.deepEqual(draft(withEvent(seen, piece("t", 4, "TWO"))), ["one TWO"]);
    assert.deepEqual(draft(withEvent(seen, piece("t", 0, ""))), [""]);
  });

  it("shows that pieces are missing, and fills the gap when they are told again", () => {
    const seen = after(piece("t", 0, "one "), piece("t", 8, "three"));
    assert.deepEqual(draft(seen), ["one ", "three"]);
    assert.deepEqual(draft(withEvent(seen, piece("t", 4, "two three"))), ["one two three"]);
  });

  it("is gone with its reply and with its turn's end, however these come", () => {
    for (const end of [
      [told("m", 1, "answered"), reply("r", "Hello"), turn("t", "answered")],
      [turn("t", "answered"), reply("r", "Hello"), told("m", 1, "answered")],
      [told("m", 1, "failed"), turn("t", "failed")],
      [told("m", 1, "queued"), turn("t", "cut")],
    ]) {
      const working = after(told("m", 1, "sent"), piece("t", 0, "Hel"));
      assert.equal(isWorking(working), true);
      assert.equal(isWorking(end.reduce(withEvent, working)), false);
    }
  });

  it("of the next turn outlives the reply that it has overtaken", () => {
    const seen = after(
      piece("first", 0, "Hello"),
      piece("next", 0, "And "),
      reply("r", "Hello"),
      turn("first", "answered"),
      piece("next", 4, "more"),
    );
    assert.deepEqual([draft(seen), isWorking(seen)], [["And more"], true]);
  });

  it("of a turn that ended unseen is gone when another turn or its process tells so", () => {
    const left = after(piece("t", 0, "Hel"));
    assert.equal(draft(withEvent(left, turn("next", "started"))), undefined);
    const ended: EventView = {
      ...frame,
      seq: ++eventSeq,
      type: "process",
      generation: 1,
      state: "ended",
      pid: 1,
      reason: "killed",
    };
    assert.equal(draft(withEvent(left, ended)), undefined);
  });
});
