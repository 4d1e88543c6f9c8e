import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { History } from "../../src/cli/history.ts";
import type { EventView, HistoryEntry, MessageView } from "../../src/views.ts";

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
    assert.match(turn("cut") ?? "", /^10:05 {2}notice {2}The process died .* messages go on\.$/);
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
