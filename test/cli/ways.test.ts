import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { wayOf } from "../../src/cli/ways.ts";
import type { MessageView, ReplyView, TimelineEntry } from "../../src/views.ts";

type Entry = TimelineEntry extends infer One ? (One extends unknown ? Omit<One, "at"> : never) : never;

describe("the way of a message", () => {
  const message: MessageView = {
    ...{ id: "m", externalId: null, chatId: "c", seq: 1, text: "Hello", attachments: [] },
    ...{ status: "queued", ran: null, waiting: null, tries: 0, error: null, reply: null },
    ...{ acceptedAt: "", sentAt: null, endedAt: null },
  };
  const way = (entries: Entry[], more: Partial<MessageView> = {}) =>
    wayOf({
      ...message,
      ...more,
      timeline: entries.map((entry) => ({ at: "2026-01-31T12:00:00.000Z", ...entry })),
    });
  /** The sentences; what met trouble is marked. */
  const told = (...given: Parameters<typeof way>) =>
    way(...given).map(({ text, tone }) => ({ usual: "", unusual: "? ", bad: "! " })[tone] + text);

  const handed = (
    generation: number,
    more: Partial<Extract<Entry, { what: "handed_over" }>> = {},
  ): Entry => ({
    ...{ what: "handed_over", generation, kind: "send", outcome: null },
    ...more,
  });
  const tool = (state: Extract<Entry, { what: "tool" }>["state"]): Entry => ({
    ...{ what: "tool", turnId: "t", name: "Bash", input: "{}", endedAt: null },
    state,
  });

  it("is of the usual tone when all goes as it should", () => {
    assert.deepEqual(
      told([
        { what: "accepted" },
        { what: "process_started", generation: 3, reason: "message" },
        handed(3, { outcome: "answered" }),
        { what: "turn_started", turnId: "t", generation: 3 },
        { what: "model_asked" },
        { what: "model_answers" },
        tool("finished"),
        { what: "turn_ended", outcome: "answered" },
        { what: "ended", status: "answered" },
        { what: "reply", status: "sent", attempts: 0, error: null },
      ]),
      [
        ...["accepted", "process 3 starts: message", "handed to Claude, process 3", "Claude works on it"],
        ...["the model is asked", "the model begins to answer", "Bash: done", "the turn ends", "answered"],
        "the reply is there",
      ],
    );
  });

  it("counts its tries, and tells a cut turn that is taken up from a message that is sent again", () => {
    assert.deepEqual(
      told([
        handed(3, { outcome: "lost" }),
        tool("unknown"),
        { what: "process_ended", generation: 3, reason: "killed by SIGKILL" },
        { what: "turn_ended", outcome: "cut" },
        handed(4, { kind: "continue", outcome: "lost" }),
        handed(5),
        { what: "turn_joined", turnId: "t", generation: 5 },
      ]),
      [
        "handed to Claude, process 3",
        "! Bash: outcome unknown, for its process ended while it ran",
        "? process 3 ended: killed by SIGKILL",
        "? the turn is cut",
        "? taken up again where it was cut: try 2, process 4",
        "? sent again: try 3, process 5",
        "joined the running turn: one answer for all of it",
      ],
    );
    const found: Entry = { what: "answer_found", generation: 3 };
    assert.deepEqual(told([found]), ["? the transcript held the answer: nothing was asked again"]);
  });

  it("tells how each tool call stands, and who has said yes to it", () => {
    assert.deepEqual(told([tool("started"), tool("failed")]), ["Bash: running", "Bash: failed"]);
    const asked = { what: "approval", tool: "Bash", endedAt: null } as const;
    assert.deepEqual(
      told([
        { ...asked, state: "pending", decidedBy: null },
        { ...asked, state: "used", decidedBy: "operator" },
      ]),
      ["? Bash needs a yes: pending", "? Bash needs a yes: used by operator"],
    );
  });

  it("ends with the reason when there is no answer", () => {
    const error = { code: "x", message: "no room" };
    const end = (status: MessageView["status"], more: Partial<MessageView>) =>
      told([{ what: "ended", status }], more)[0];
    assert.equal(end("failed", { error }), "! failed: no room (x)");
    assert.equal(end("refused", { error }), "! refused: no room (x)");
    assert.equal(end("stopped", { ran: true }), "? stopped while Claude worked on it");
    assert.equal(end("stopped", { ran: false }), "? stopped before Claude saw it");
  });

  it("says how far its reply is, and what its sender and the operator were told", () => {
    const error = { code: "not_sent", message: "connection refused" };
    const reply = (
      status: ReplyView["status"],
      attempts: number,
      failure: ReplyView["error"] = null,
    ): Entry => ({
      ...{ what: "reply", status, attempts },
      error: failure,
    });
    assert.deepEqual(
      told([
        reply("pending", 0),
        reply("sending", 1),
        reply("pending", 1, error),
        reply("uncertain", 2, { code: "unknown_outcome", message: "no answer" }),
        reply("sent", 1),
        reply("failed", 4, error),
        { what: "notice", text: "Your message is kept.", status: "sent", attempts: 0, error: null },
        { what: "notice", text: "It failed.", status: "failed", attempts: 2, error },
        { what: "remark", code: "transcript_restored", text: "The transcript was restored." },
      ]),
      [
        "the reply waits for its channel",
        "the reply is handed to its channel: attempt 1",
        "? the reply did not go out by attempt 1, and is tried again: connection refused",
        "! nobody knows whether the reply went out: no answer",
        "the reply was delivered",
        "! the reply was given up: connection refused",
        "? a notice is there: Your message is kept.",
        "! a notice was given up: connection refused: It failed.",
        "? The transcript was restored.",
      ],
    );
  });

  it("is empty for a message that came without its timeline", () => {
    assert.deepEqual(wayOf(message), []);
  });
});
