import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { History } from "../../src/cli/history.ts";
import type { EventView, HistoryEntry, MessageView, ReplyView } from "../../src/views.ts";

describe("a chat's history as people read it", () => {
  /** Local time, as it is shown. */
  const at = (hours: number, day = 10) => new Date(2026, 0, day, hours, 5).toISOString();
  const history = (columns = Number.POSITIVE_INFINITY) =>
    new History({ contact: "Ada", columns: () => columns });

  const message = (more: Partial<MessageView> = {}): HistoryEntry => ({
    type: "message",
    id: "m",
    externalId: null,
    chatId: "c",
    seq: 1,
    text: "Hello",
    attachments: [],
    status: "answered",
    ran: null,
    waiting: null,
    tries: 1,
    error: null,
    reply: null,
    acceptedAt: at(9),
    sentAt: null,
    endedAt: at(9),
    ...more,
  });
  const reply = (kind: "answer" | "notice", text: string): HistoryEntry => ({
    type: "reply",
    chatId: "c",
    seq: 2,
    createdAt: at(9),
    id: "r",
    kind,
    text,
    answers: ["m"],
    status: "sent",
    attempts: 0,
    error: null,
  });
  const event = (change: object): EventView => ({ chatId: "c", seq: 1, at: at(10), ...change }) as EventView;
  const ended = (status: string, more: object = {}) =>
    event({
      type: "message",
      message: {
        id: "m",
        externalId: null,
        seq: 1,
        text: "Hello",
        attachments: [],
        status,
        ran: null,
        tries: 1,
        error: null,
        replyId: null,
        ...more,
      },
    });

  it("names each day once, and says at what time who said what", () => {
    const shown = history();
    assert.equal(shown.entry(message()), "Saturday, 10 January 2026\n09:05  Ada     Hello");
    assert.equal(shown.entry(reply("answer", "Hi\nthere")), "09:05  Claude  Hi\n               there");
    assert.equal(
      shown.entry(message({ acceptedAt: at(0, 11) })),
      "Sunday, 11 January 2026\n00:05  Ada     Hello",
    );
  });

  it("wraps to the window with a hanging indent, which is short where there is no room", () => {
    const text = "one two three four five six";
    assert.deepEqual(history(40).entry(message({ text })).split("\n").slice(1), [
      "09:05  Ada     one two three four five",
      "               six",
    ]);
    assert.deepEqual(history(20).entry(message({ text })).split("\n").slice(1), [
      "09:05  Ada",
      "    one two three",
      "    four five six",
    ]);
  });

  it("marks notices", () => {
    assert.match(history().entry(reply("notice", "It failed")), /09:05 {2}notice {2}It failed$/);
    assert.match(
      history().event(event({ type: "notice", code: "reset", text: "session begun" }), true) ?? "",
      /10:05 {2}notice {2}session begun$/,
    );
  });

  it("says what a message waits for, and why it has no answer", () => {
    const below = (more: Partial<MessageView>) => history().entry(message(more)).split("\n").at(-1)?.trim();
    const open = { endedAt: null, status: "queued", tries: 0 } as const;
    assert.equal(
      below({ ...open, waiting: { for: "slot", position: 3 } }),
      "queued, waits for a free slot (number 3 in line)",
    );
    assert.equal(below({ ...open, status: "sent", waiting: { for: "tool" } }), "sent, waits for a tool");
    assert.equal(below({ ...open, tries: 1 }), "queued, to be tried again");
    const error = { code: "interrupted", message: "the process died" };
    assert.equal(below({ status: "failed", error }), "failed: the process died");
    assert.equal(below({ status: "stopped", ran: false }), "stopped before it was begun");
    assert.equal(below({ status: "stopped", ran: true }), "stopped");
  });

  it("says what will happen with a message that waits behind a running turn", () => {
    const waiting = { for: "model", plan: "collect" } as const;
    assert.match(
      history().entry(message({ endedAt: null, status: "queued", tries: 0, waiting })),
      /queued, waits for the model: its turn is the next, with what comes shortly$/,
    );
  });

  it("tells a message's way below its text, to the second, each step in its line", () => {
    const way = [
      { at: at(9), text: "accepted", tone: "usual" },
      { at: at(9), text: "failed: it\nbroke (x)", tone: "bad" },
    ] as const;
    const failed = message({ status: "failed", error: { code: "x", message: "it broke" } });
    assert.deepEqual(history().entry(failed, way).split("\n").slice(2), [
      "               09:05:00  accepted",
      "               09:05:00  failed: it broke (x)",
    ]);
  });

  it("says how far a reply's delivery is, and why it is no further", () => {
    const error = { code: "not_sent", message: "connection refused" };
    const below = (more: Partial<ReplyView>) =>
      history()
        .entry({ ...reply("answer", "Hi"), ...more } as HistoryEntry)
        .split("\n")
        .slice(2)
        .map((line) => line.trim());
    assert.deepEqual(below({}), []);
    assert.deepEqual(below({ status: "pending" }), ["waits for its channel"]);
    assert.deepEqual(below({ status: "sending", attempts: 1 }), ["on its way"]);
    assert.deepEqual(below({ status: "pending", attempts: 1, error }), [
      "not delivered yet, to be tried again: connection refused",
    ]);
    assert.deepEqual(below({ status: "uncertain", attempts: 2, error }), [
      "uncertain whether it was delivered: connection refused",
    ]);
    assert.deepEqual(below({ status: "failed", attempts: 2, error }), ["not delivered: connection refused"]);
  });

  it("tells of a reply that was shown before when its delivery meets trouble, and when that is over", () => {
    const error = { code: "not_sent", message: "connection refused" };
    const change = (status: string, attempts: number, why: object | null = null) =>
      history()
        .event(
          event({ type: "reply", reply: { ...reply("answer", "Hi"), status, attempts, error: why } }),
          false,
        )
        ?.split("\n")[1];
    assert.equal(change("sending", 1), undefined);
    assert.equal(change("sent", 1), undefined);
    assert.match(change("pending", 1, error) ?? "", /Claude {2}not delivered yet, .*: connection refused$/);
    assert.match(change("sent", 2) ?? "", /Claude {2}delivered by attempt 2$/);
    assert.match(change("failed", 2, error) ?? "", /Claude {2}not delivered: connection refused$/);
    assert.match(change("pending", 0) ?? "", /Claude {2}is sent again on request$/);
  });

  it("says what has become of a message that was shown before, and which it was", () => {
    const lines = history()
      .event(ended("failed", { error: { code: "x", message: "no" } }), false)
      ?.split("\n");
    assert.deepEqual(lines?.slice(1), ['10:05  Ada     about "Hello"', "               failed: no"]);
    assert.equal(history().event(ended("answered"), false), null);
    assert.equal(history().event(ended("sent"), false), null);
    assert.match(history().event(ended("queued"), true) ?? "", /Ada {5}Hello$/);
  });

  it("says of a turn that was cut that its messages go on, and nothing of other turns", () => {
    const turn = (state: string) =>
      history()
        .event(event({ type: "turn", state }), true)
        ?.split("\n")[1];
    assert.match(turn("cut") ?? "", /^10:05 {2}notice {2}Claude was cut off .* messages go on\.$/);
    for (const state of ["started", "joined", "answered", "failed", "stopped"])
      assert.equal(turn(state), undefined);
  });

  it("shows tools when they begin and when they fail", () => {
    const tool = (state: string) =>
      history()
        .event(event({ type: "tool", name: "Read", state }), true)
        ?.split("\n")
        .at(-1);
    assert.equal(tool("started"), "10:05  Claude  · Read");
    assert.equal(tool("finished"), undefined);
    assert.equal(tool("failed"), "10:05  Claude  · Read failed");
    assert.equal(tool("unknown"), "10:05  Claude  · Read was cut off");
  });
});
