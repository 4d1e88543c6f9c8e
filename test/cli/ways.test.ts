import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ways } from "../../src/cli/ways.ts";
import type { EventView, MessageView, ReplyView } from "../../src/views.ts";

type WithoutFrame<T> = T extends unknown ? Omit<T, "chatId" | "seq" | "at"> : never;
type Change = WithoutFrame<EventView>;

describe("the way of a message", () => {
  const message = (
    status: MessageView["status"],
    tries: number,
    more: Partial<MessageView> = {},
  ): Change => ({
    type: "message",
    message: {
      id: "m",
      externalId: null,
      seq: 1,
      text: "Hello",
      attachments: [],
      status,
      ran: null,
      tries,
      error: null,
      replyId: null,
      ...more,
    },
  });
  const process = (
    state: "starting" | "started" | "ended",
    generation: number,
    reason = "message",
  ): Change => ({ type: "process", generation, state, pid: state === "starting" ? null : 77, reason });
  const turn = (
    state: "started" | "joined" | "answered" | "cut",
    messageIds = ["m"],
    turnId = "t",
  ): Change => ({ type: "turn", turnId, state, messageIds });
  const tool = (state: "started" | "finished" | "failed" | "unknown"): Change => ({
    type: "tool",
    turnId: "t",
    toolUseId: "u",
    name: "Bash",
    state,
  });
  const reply = (status: ReplyView["status"], attempts: number, more: Partial<ReplyView> = {}): Change => ({
    type: "reply",
    reply: { id: "r", kind: "answer", text: "Hi", answers: ["m"], status, attempts, error: null, ...more },
  });
  const notice = (code: string, text: string): Change => ({ type: "notice", code, text });
  const begun = [process("starting", 3), process("started", 3)];
  const why = { code: "x", message: "no room" };

  function ways(...changes: Change[]): Ways {
    const all = new Ways(["m"]);
    for (const [at, change] of changes.entries())
      all.take({ chatId: "c", seq: at, at: "", ...change } as EventView);
    return all;
  }
  /** The sentences; what met trouble is marked. */
  const told = (...changes: Change[]) =>
    ways(...changes)
      .of("m")
      .map(({ text, tone }) => ({ usual: "", unusual: "? ", bad: "! " })[tone] + text);

  it("is short when all goes as it should", () => {
    assert.deepEqual(
      told(
        message("queued", 0),
        ...begun,
        message("sent", 1),
        turn("started"),
        message("answered", 1),
        reply("sent", 0),
        turn("answered"),
        process("ended", 3, "idle for long"),
      ),
      [
        "accepted",
        "process 3 starts",
        "handed to Claude, process 3",
        "Claude works on it",
        "answered",
        "the reply is there",
      ],
    );
  });

  it("names the process that died, why, and the call whose outcome nobody knows; then the turn is taken up again", () => {
    assert.deepEqual(
      told(
        ...begun,
        message("queued", 0),
        message("sent", 1),
        turn("started"),
        tool("started"),
        process("ended", 3, "killed by SIGKILL"),
        message("queued", 1),
        tool("unknown"),
        turn("cut"),
        process("starting", 4),
        message("sent", 2),
        process("started", 4),
        turn("started", ["m"], "t2"),
        message("answered", 2),
      ),
      [
        "accepted",
        "handed to Claude, process 3",
        "Claude works on it",
        "! Bash: outcome unknown, for its process ended while it ran",
        "? process 3 ended: killed by SIGKILL",
        "? put back: it is to be tried again",
        "process 4 starts",
        "? taken up again where it was cut: try 2, process 4",
        "Claude works on it",
        "answered",
      ],
    );
  });

  it("begins with its acceptance also where a process has taken it at once", () => {
    assert.deepEqual(told(...begun, message("sent", 1)), ["accepted", "handed to Claude, process 3"]);
  });

  it("tells what was sent again from what was taken up again", () => {
    const way = told(
      ...begun,
      message("queued", 0),
      message("sent", 1),
      process("ended", 3, "it does not answer"),
      message("queued", 1),
      process("starting", 4),
      process("started", 4),
      message("sent", 2),
    );
    assert.equal(way.at(-1), "? sent again: try 2, process 4");
  });

  it("says that an answer came from the transcript when no process was there to give it", () => {
    const died = [...begun, message("queued", 0), message("sent", 1), turn("cut"), process("ended", 3, "x")];
    const fromTranscript = "? answered: the transcript held the answer, and nothing was asked again";
    assert.equal(told(...died, turn("started", ["m"], "t2"), message("answered", 1)).at(-1), fromTranscript);
    assert.equal(told(...begun, message("sent", 1), message("answered", 1)).at(-1), "answered");
  });

  it("says what came of each tool call in one line", () => {
    const running = [...begun, message("sent", 1), turn("started"), tool("started")];
    assert.equal(told(...running).at(-1), "Bash: running");
    assert.equal(told(...running, tool("finished")).at(-1), "Bash: done");
    assert.equal(told(...running, tool("failed")).at(-1), "Bash: failed");
    const others = turn("started", ["another"]);
    assert.equal(told(...begun, message("sent", 1), others, tool("started")).length, 2);
  });

  it("ends with the reason when there is no answer", () => {
    assert.equal(told(message("failed", 3, { error: why })).at(-1), "! failed: no room (x)");
    assert.equal(told(message("refused", 0, { error: why })).at(-1), "! refused: no room (x)");
    assert.equal(told(message("stopped", 1, { ran: true })).at(-1), "? stopped while Claude worked on it");
    assert.equal(told(message("stopped", 0, { ran: false })).at(-1), "? stopped before Claude saw it");
  });

  it("goes on with its reply through the channel", () => {
    const error = { code: "not_sent", message: "connection refused" };
    assert.deepEqual(
      told(
        reply("pending", 0),
        reply("sending", 1),
        reply("pending", 1, { error }),
        reply("sending", 2),
        reply("uncertain", 2, { error: { code: "unknown_outcome", message: "no answer" } }),
        reply("pending", 0),
        reply("sending", 1),
        reply("sent", 1),
      ),
      [
        "the reply waits for its channel",
        "the reply is handed to its channel: attempt 1",
        "? the reply did not go out by attempt 1, and is tried again: connection refused",
        "the reply is handed to its channel: attempt 2",
        "! nobody knows whether the reply went out: no answer",
        "the reply waits for its channel",
        "the reply is handed to its channel: attempt 1",
        "the reply was delivered",
      ],
    );
    assert.deepEqual(told(reply("failed", 4, { error })), ["! the reply was given up: connection refused"]);
  });

  it("tells what its sender was told, and what happened to the chat meanwhile, not before or after", () => {
    assert.deepEqual(
      told(
        notice("session_reset", "before"),
        message("queued", 0),
        notice("transcript_restored", "The transcript was restored."),
        reply("sent", 0, { kind: "notice", text: "Your message is kept." }),
        message("failed", 0, { error: why }),
        notice("session_reset", "after"),
        process("ended", 3, "after"),
      ),
      [
        "accepted",
        "? The transcript was restored.",
        "? a notice is there: Your message is kept.",
        "! failed: no room (x)",
      ],
    );
  });

  it("is told of the messages that are asked for alone", () => {
    const other = ways(message("queued", 0, { id: "another" }), process("ended", 3, "x"));
    assert.deepEqual([other.of("another"), other.of("m")], [[], []]);
  });
});
