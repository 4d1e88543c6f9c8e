import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { logEvents } from "../src/event-log.ts";
import type { Change, LedgerEvent } from "../src/ledger/index.ts";
import { createLogger, type LogLevel } from "../src/log.ts";

type Line = Record<string, unknown>;

/** The lines that these changes of the chat `ada` make at the level. */
function linesOf(level: LogLevel, ...changes: Change[]): Line[] {
  const lines: Line[] = [];
  const log = createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) });
  let tell: (events: readonly LedgerEvent[]) => void = () => {};
  const onCommit = (listener: typeof tell) => {
    tell = listener;
    return () => {};
  };
  logEvents({ onCommit }, log);
  tell(changes.map((change, n) => ({ seq: n + 1, at: n, chatId: "ada", ...change })));
  return lines;
}

const message = (
  status: "queued" | "sent" | "answered" | "failed",
  text = "hush",
  error = "why",
): Change => ({
  type: "message",
  message: {
    ...{ id: "m1", externalId: null, seq: 1, text, attachments: [], ran: null, tries: 1, replyId: null },
    status,
    error: status === "failed" ? { code: "unanswerable", message: error } : null,
  },
});
const run = (state: "starting" | "started" | "ended", reason = "message"): Change => ({
  type: "process",
  generation: 7,
  pid: state === "starting" ? null : 42,
  state,
  reason,
});
const reply: Change = {
  type: "reply",
  reply: {
    ...{ id: "r1", chatId: "ada", seq: 2, kind: "answer", text: "a secret answer", answers: ["m1"] },
    ...{ channel: "hook", route: { to: "a secret route" }, status: "failed", attempts: 3, dueAt: null },
    ...{ pauseMs: null, error: { code: "refused", message: "the secret why" }, createdAt: 0 },
  },
};

describe("the log of what happens", () => {
  it("has a line for each event, with its chat, message and generation", () => {
    const lines = linesOf(
      "debug",
      run("starting"),
      message("sent"),
      message("answered"),
      run("ended", "idle"),
      message("queued"),
    );
    assert.deepEqual(
      lines.map(({ level, msg, chatId, messageId, generation, reason }) => [
        level,
        msg,
        chatId,
        messageId,
        generation,
        reason,
      ]),
      [
        [30, "process starting", "ada", undefined, 7, "message"],
        [20, "message sent", "ada", "m1", 7, undefined],
        [30, "message answered", "ada", "m1", 7, undefined],
        [30, "process ended", "ada", undefined, 7, "idle"],
        [20, "message queued", "ada", "m1", undefined, undefined],
      ],
    );
    assert.deepEqual(lines.map(({ seq, event }) => [seq, event])[0], [1, "process"]);
  });

  it("tells at `info` what has an end or went wrong, at `warn` that alone", () => {
    const turn = (state: "started" | "cut"): Change => ({
      type: "turn",
      turnId: "t",
      state,
      messageIds: ["m1"],
    });
    const tool: Change = { type: "tool", turnId: "t", toolUseId: "u", name: "Bash", state: "finished" };
    const notice: Change = { type: "notice", code: "memory_high", text: "secret" };
    const all = [
      message("queued"),
      turn("started"),
      tool,
      message("answered"),
      message("failed"),
      turn("cut"),
      reply,
      notice,
    ];
    const told = (level: LogLevel) => linesOf(level, ...all).map(({ msg }) => msg);
    assert.deepEqual(told("info"), [
      "message answered",
      "message failed",
      "turn cut",
      "reply failed",
      "memory_high",
    ]);
    assert.deepEqual(told("warn"), ["message failed", "turn cut", "reply failed"]);
    assert.deepEqual(told("silent"), []);
    assert.equal(told("debug").length, all.length);
  });

  it("has what people and models write at `trace` alone", () => {
    const all = [
      message("queued", "a secret question"),
      message("failed", "a secret question", "the secret why"),
      reply,
      { type: "notice", code: "contact_changed", text: "name: a secret" } as const,
    ];
    for (const level of ["debug", "info", "warn"] as const)
      assert.doesNotMatch(JSON.stringify(linesOf(level, ...all)), /secret/, level);
    const traced = linesOf("trace", ...all).filter(({ level }) => level === 10);
    assert.deepEqual(
      traced.map(({ text }) => text),
      ["a secret question", "a secret question", "a secret answer", "name: a secret"],
    );
    assert.doesNotMatch(
      JSON.stringify(traced),
      /secret route/,
      "a route may hold credentials of its channel",
    );
  });

  it("is one line an event, whatever was written", () => {
    const written: string[] = [];
    const log = createLogger("trace", { write: (line) => void written.push(line) });
    log.trace({ text: "two\nlines\x1b[2J" }, "text");
    assert.equal(written.length, 1);
    assert.match(written[0] ?? "", /^\{[^\n\x1b]*\}\n$/);
  });
});
