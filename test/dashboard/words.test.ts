/** The small pure parts: addresses, the order of the list, and what is said about a message and an action. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressOf, overviewAddress, placeOf } from "../../src/dashboard/address.js";
import { chatPath } from "../../src/dashboard/api.js";
import { emptyList, withChat, withPage } from "../../src/dashboard/chat-list.js";
import { isNoteworthy } from "../../src/dashboard/overview.js";
import {
  actionWords,
  deliveryWords,
  durationWords,
  eventWords,
  heldWords,
  memoryWords,
  messageWords,
  moneyWords,
  timelineWords,
  troubleWords,
} from "../../src/dashboard/words.js";
import type { ChatView } from "../../src/views.ts";

describe("an address", () => {
  it("is the overview's, too", () => {
    assert.deepEqual(placeOf(overviewAddress), { kind: "overview" });
  });

  it("names a chat by any id and finds it again", () => {
    for (const chatId of ["+15551234567", "signal:group.x/y=", "a b#?%&", "ä😀", "chats/token="]) {
      assert.deepEqual(placeOf(addressOf(chatId)), { kind: "chat", chatId });
    }
  });

  it("brings the token, and is the list's when it makes no sense", () => {
    assert.deepEqual(placeOf("#token=a%2Bb"), { kind: "token", token: "a+b" });
    for (const hash of ["", "#", "#token=", "#/chats/", "#/chats/%E0%A4%A", "#/else"]) {
      assert.deepEqual(placeOf(hash), { kind: "list" });
    }
  });

  it("of the API is refused for a chat id that a URL cannot carry", () => {
    for (const chatId of ["", ".", "..", "\ud800"]) {
      assert.throws(() => chatPath(chatId), { code: "invalid_chat_id", field: "chatId" });
    }
  });
});

describe("the list of chats", () => {
  const chat = (
    chatId: string,
    lastMessageAt: string | null,
    state: ChatView["state"] = "idle",
  ): ChatView => ({
    ...{ chatId, lastMessageAt, state, sessionName: chatId, sessionId: null, held: null },
    ...{ process: null, queued: 0 },
    ...{
      contact: { name: null, tier: "family", group: false, queueMode: null },
      createdAt: "2026-01-01T00:00:00.000Z",
    },
    usage: { turns: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
  });
  const page = withPage(emptyList, {
    chats: [chat("b", "2026-01-03"), chat("a", "2026-01-02")],
    next: "cursor",
  });

  it("has the most recently active first, whatever comes in which order", () => {
    const list = withChat(withChat(page, chat("new", null)), chat("a", "2026-01-04"));
    assert.deepEqual(
      list.chats.map(({ chatId }) => chatId),
      ["a", "b", "new"],
    );
    assert.equal(list.next, "cursor");
  });

  it("has a chat once, as it was read last", () => {
    const list = withPage(page, {
      chats: [chat("a", "2026-01-02", "busy"), chat("z", "2026-01-01")],
      next: null,
    });
    assert.deepEqual(
      list.chats.map(({ chatId, state }) => [chatId, state]),
      [
        ["b", "idle"],
        ["a", "busy"],
        ["z", "idle"],
      ],
    );
    assert.equal(list.next, null);
  });
});

describe("the words", () => {
  const message = { status: "queued", ran: null, waiting: null, error: null } as const;

  it("tell a message's status, what it waits for and why it failed", () => {
    for (const [more, text] of [
      [{}, "queued"],
      [{ waiting: { for: "slot", position: 3 } }, "queued: waits for a slot, place 3"],
      [{ status: "sent", waiting: { for: "tool" } }, "sent: a tool is running"],
      [{ status: "answered" }, "answered"],
      [{ status: "failed", error: { code: "x", message: "the process died" } }, "failed: the process died"],
      [{ status: "stopped", ran: true }, "stopped while Claude worked on it"],
      [{ status: "stopped", ran: false }, "stopped before Claude saw it"],
    ] as const) {
      assert.equal(messageWords({ ...message, ...more }).text, text);
    }
  });

  it("tell what will happen with a message that waits behind a running turn", () => {
    const text = (plan: "join" | "interrupt") =>
      messageWords({ ...message, waiting: { for: "model", plan } }).text;
    assert.equal(text("join"), "queued: it joins the running turn");
    assert.equal(text("interrupt"), "queued: the running turn is stopped for it");
  });

  it("tell how far a reply is, and offer nothing for one that is there", () => {
    const error = { code: "x", message: "connection refused" };
    const marks = (["pending", "sending", "uncertain", "failed"] as const).map(
      (status) => deliveryWords({ status, error })?.mark,
    );
    assert.deepEqual(marks, ["waiting", "working", "failed", "failed"]);
    assert.equal(deliveryWords({ status: "sent", error: null }), null);
    assert.equal(deliveryWords({ status: "failed", error })?.text, "not delivered: connection refused");
    assert.equal(deliveryWords({ status: "pending", error: null })?.text, "waits for its channel");
  });

  it("tell why a chat is held back and until when, and nothing of others", () => {
    const now = new Date().toISOString();
    const trouble = { kind: "limit", since: now, until: now, message: "5-hour limit reached" } as const;
    const held = { until: now, reason: "5-hour limit reached" };
    assert.match(heldWords({ state: "parked", held }) ?? "", /^Parked until .+: 5-hour limit reached\. /);
    assert.match(
      heldWords({ state: "quarantined", held: { ...held, reason: "It has died 6 times." } }) ?? "",
      /^Held back until .+, or until Restart or Reset: It has died 6 times\.$/,
    );
    for (const state of ["idle", "busy", "dormant"] as const)
      assert.equal(heldWords({ state, held: null }), null);
    for (const kind of ["transient", "limit", "authentication", "billing"] as const) {
      assert.ok(troubleWords({ ...trouble, kind }).endsWith("(5-hour limit reached)"));
    }
  });

  it("tell what an action did, to how many messages", () => {
    const answer = { chatId: "c", stopped: [], requeued: [] };
    const stopped = [
      { id: "1", ran: true },
      { id: "2", ran: false },
    ];
    assert.equal(actionWords({ ...answer, did: "stopped", stopped }), "Stopped 2 messages.");
    assert.match(
      actionWords({ ...answer, did: "closed", requeued: ["1"] }),
      /stays\. 1 message went back to the queue\.$/,
    );
    assert.equal(actionWords({ ...answer, did: "nothing" }), "There was nothing to do.");
  });

  it("tell sizes, times and sums in the unit that fits, and no cost as nothing", () => {
    assert.deepEqual([0, 999, 1000, 9999, 59_400, 119_999, 3_600_000, 8_000_000].map(durationWords), [
      ...["0 ms", "999 ms", "1.0 s", "10.0 s", "59 s", "120 s", "60 min", "2 h"],
    ]);
    assert.deepEqual([0, 0.0004, 0.01, 12.345].map(moneyWords), [
      ...["0.00 USD", "0.0004 USD", "0.01 USD", "12.35 USD"],
    ]);
    assert.deepEqual([0, 300 * 2 ** 20, 1536 * 2 ** 20].map(memoryWords), ["0 MiB", "300 MiB", "1.5 GiB"]);
  });

  it("tell what was done for a message, also what a crash has cut", () => {
    const handed = { at: "", what: "handed_over", generation: 7, kind: "send" } as const;
    const asked = { at: "", what: "approval", tool: "Bash", decidedBy: null, endedAt: null } as const;
    for (const [entry, text] of [
      [{ ...handed, outcome: null }, "handed to process 7"],
      [{ ...handed, outcome: "lost" }, "handed to process 7, which was gone before it had answered"],
      [{ ...handed, kind: "continue", outcome: "answered" }, "process 7 takes up the cut turn"],
      [{ ...handed, outcome: "excused" }, "handed to process 7, which gave it back"],
      [{ at: "", what: "turn_ended", outcome: "cut" }, "the turn is cut: its process was gone"],
      [{ ...asked, state: "pending" }, "asks for a yes to Bash: pending"],
      [{ ...asked, state: "used", decidedBy: "operator" }, "asks for a yes to Bash: used by operator"],
      [{ at: "", what: "process_started", generation: 7, reason: "message" }, "process 7 starts: message"],
      [{ at: "", what: "process_ended", generation: 7, reason: "parked" }, "process 7 has ended: parked"],
      [
        { at: "", what: "remark", code: "x", text: "The transcript was restored." },
        "The transcript was restored.",
      ],
      [
        { at: "", what: "notice", text: "Wait.", status: "sent", attempts: 0, error: null },
        "its sender is told: “Wait.”",
      ],
      [{ at: "", what: "ended", status: "stopped" }, "stopped"],
    ] as const) {
      assert.equal(timelineWords(entry), text);
    }
  });

  it("tell what happened in a chat, and leave out the steps of what goes well", () => {
    const frame = { seq: 1, at: "", chatId: "c" };
    const started = {
      ...frame,
      type: "process",
      generation: 3,
      state: "started",
      pid: 1,
      reason: "message",
    } as const;
    assert.equal(eventWords(started), "process 3 started: message");
    const turn = { ...frame, type: "turn" as const, turnId: "t", messageIds: [] };
    const states = ["started", "joined", "answered", "failed", "stopped", "cut"] as const;
    assert.deepEqual(
      states.filter((state) => isNoteworthy({ ...turn, state })),
      ["failed", "cut"],
    );
    assert.equal(isNoteworthy({ ...started, state: "starting" }), false);
  });
});
