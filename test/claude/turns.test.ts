/** On lines made by hand; what real processes leave is in killed.test.ts. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { entriesIn, type TranscriptTurn, turnsIn } from "../../src/claude/turns.ts";

type Line = Record<string, unknown>;

const user = (uuid: string, more: Line = {}): Line => ({
  type: "user",
  uuid,
  promptSource: "sdk",
  message: { role: "user", content: [{ type: "text", text: "Hello" }] },
  ...more,
});
const own = (text: string, more: Line = {}): Line => ({ type: "user", message: { content: text }, ...more });
const meta = (text: string): Line => own(text, { isMeta: true });
const assistant = (text: string, stopReason: string | null = "end_turn", more: Line = {}): Line => ({
  type: "assistant",
  message: { model: "claude", stop_reason: stopReason, content: text === "" ? [] : [{ type: "text", text }] },
  ...more,
});
const thinking: Line = {
  type: "assistant",
  message: { stop_reason: "end_turn", content: [{ type: "thinking", thinking: "…" }] },
};
const toolUse: Line = {
  type: "assistant",
  message: { stop_reason: "tool_use", content: [{ type: "tool_use", id: "t", name: "Bash", input: {} }] },
};
const toolResult: Line = own("", { message: { content: [{ type: "tool_result", tool_use_id: "t" }] } });
const joined = (uuid: string): Line => ({
  type: "attachment",
  attachment: { type: "queued_command", source_uuid: uuid },
});
const apiError = (text: string, error: string): Line =>
  assistant(text, "stop_sequence", { isApiErrorMessage: true, error });
const madeUp = assistant("No response requested.", "end_turn", {
  message: {
    model: "<synthetic>",
    stop_reason: "end_turn",
    content: [{ type: "text", text: "No response" }],
  },
});

function turns(...lines: Line[]): TranscriptTurn[] {
  return turnsIn(entriesIn(lines.map((line) => JSON.stringify(line)).join("\n")));
}

function turn(...lines: Line[]): TranscriptTurn {
  const [only, ...others] = turns(...lines);
  assert.deepEqual(others, []);
  return only ?? assert.fail("there is no turn");
}

const endOf = (...lines: Line[]) => turn(user("a"), ...lines).end.kind;
const textOf = (...lines: Line[]) => turn(user("a"), ...lines).text;

describe("who is in a turn", () => {
  it("is who began it, alone or merged with others, and who joined it", () => {
    const merged = user("c", { mergedSendUuids: ["a", "b"] });
    assert.deepEqual(turn(merged, toolUse, toolResult, joined("d"), joined("e")).members, [
      "a",
      "b",
      "c",
      "d",
      "e",
    ]);
  });

  it("is each message once, in the turn behind it", () => {
    const all = turns(user("a"), assistant("Hi"), user("b"), toolUse, joined("c"), user("d"));
    assert.deepEqual(
      all.map(({ members }) => members),
      [["a"], ["b", "c"], ["d"]],
    );
  });

  it("is none of what subagents said, what the CLI says itself, and what stands before the first message", () => {
    const side = { isSidechain: true };
    const lines = [
      assistant("before"),
      toolResult,
      meta("<system-reminder>"),
      own("[Request interrupted by user]"),
      user("side", side),
      assistant("side", "end_turn", side),
      { type: "queue-operation", operation: "enqueue" },
      user("noted", { queueTranscriptOnly: true }),
    ];
    assert.deepEqual(turns(...lines), []);
  });

  it("is who joined it also when its begin is lost, as a full disk loses lines", () => {
    const { members, end, progress } = turn(toolUse, toolResult, joined("b"), toolUse, joined("c"));
    assert.deepEqual([members, end, progress], [["b", "c"], { kind: "open" }, 1]);
  });
});

describe("a turn's end", () => {
  it("is open until the model is done", () => {
    assert.equal(endOf(), "open");
    assert.equal(endOf(toolUse), "open");
    assert.equal(endOf(toolUse, toolResult), "open");
    assert.equal(endOf(assistant("Hi", null)), "open");
    assert.equal(endOf(assistant("Hi", "max_tokens")), "open");
    assert.equal(endOf(assistant("Hi", "pause_turn")), "open");
  });

  it("is its answer, when the model was done with it", () => {
    for (const stopReason of ["end_turn", "stop_sequence"]) {
      assert.equal(endOf(assistant("Hi", stopReason)), "answered");
    }
  });

  it("is no answer without a word: its thoughts stand on lines of their own before it", () => {
    assert.equal(endOf(thinking), "open");
    assert.equal(endOf(thinking, assistant("Hi")), "answered");
    assert.equal(endOf(assistant("")), "open");
  });

  it("is open again when somebody joins it, or the CLI tells the model to go on", () => {
    assert.equal(endOf(assistant("Hi"), joined("b")), "open");
    assert.equal(endOf(assistant("Hi"), joined("b"), assistant("You too")), "answered");
    assert.equal(endOf(toolUse, meta("Continue from where you left off.")), "open");
  });

  it("is the interrupt, which only the CLI can write", () => {
    assert.equal(endOf(own("[Request interrupted by user]")), "interrupted");
    assert.equal(
      endOf(toolUse, toolResult, own("[Request interrupted by user for tool use]")),
      "interrupted",
    );
    const content = "[Request interrupted by user]";
    const typed = user("b", { message: { role: "user", content } });
    assert.deepEqual(
      turns(user("a"), assistant("Hi"), typed).map(({ end }) => end.kind),
      ["answered", "open"],
    );
  });

  it("is the error of the API, with its code and words", () => {
    const { end } = turn(user("a"), apiError("API Error: 529 Overloaded", "server_error"));
    assert.deepEqual(end, { kind: "failed", code: "server_error", message: "API Error: 529 Overloaded" });
    const { error: _, ...without } = apiError("Prompt is too long", "");
    assert.deepEqual(turn(user("a"), without).end, {
      kind: "failed",
      code: "model_error",
      message: "Prompt is too long",
    });
  });

  it("is open when its process could not reach our gateway: the daemon had died before it", () => {
    assert.equal(endOf(apiError("API Error: Connection refused", "server_error")), "open");
  });

  it("is what the model said, not what the CLI made up to close it", () => {
    assert.equal(endOf(toolUse, madeUp), "open");
    assert.equal(textOf(toolUse, madeUp), "");
  });

  it("is as it was after a compaction, whose notes are no turns", () => {
    const notes = [
      own("The summary", { isCompactSummary: true }),
      meta("<local-command-caveat>Caveat"),
      own("<command-name>/compact</command-name>"),
      own("<local-command-stdout>Compacted"),
    ];
    assert.equal(endOf(assistant("Hi"), ...notes), "answered");
    const typed = user("b", { message: { content: "<command-name>/compact</command-name>" } });
    assert.deepEqual(turns(user("a"), ...notes, typed).at(-1)?.members, ["b"]);
  });
});

describe("what a turn has said", () => {
  it("is its text blocks, joined as a reply is", () => {
    assert.equal(
      textOf(assistant("Let me see.", "tool_use"), toolUse, toolResult, assistant("Done.")),
      "Let me see.\n\nDone.",
    );
  });

  it("goes on in mid-sentence when the model was cut off and told to go on", () => {
    const goOn = meta("Output token limit hit. Resume directly — no apology.");
    assert.equal(textOf(assistant("one tw", "max_tokens"), goOn, assistant("o three")), "one two three");
  });

  it("is nothing of another turn, of a subagent, or of an error", () => {
    const [, second] = turns(
      user("a"),
      assistant("first"),
      user("b"),
      assistant("side", "end_turn", { isSidechain: true }),
      apiError("API Error: 400", "unknown"),
    );
    assert.equal(second?.text, "");
  });
});

describe("a turn's progress", () => {
  it("is the lines of the model and of its tools", () => {
    assert.equal(turn(user("a")).progress, 0);
    assert.equal(turn(user("a"), thinking, toolUse, toolResult, assistant("Hi")).progress, 4);
  });

  it("is not what others add: messages that join, errors, what the CLI says or makes up", () => {
    const lines = [joined("b"), meta("Continue"), madeUp, apiError("API Error: 500", "server_error")];
    assert.equal(turn(user("a"), ...lines, own("[Request interrupted by user]")).progress, 0);
  });
});

describe("what a turn follows", () => {
  const line = (uuid: string, parentUuid: string | null, made: Line): Line => ({ ...made, uuid, parentUuid });
  const before = (...lines: Line[]) => turns(...lines).at(-1)?.before;

  it("is the answer before it, over whatever lies between", () => {
    const lines = [
      line("a", null, user("a")),
      line("call", "a", toolUse),
      line("result", "call", toolResult),
      line("answer", "result", assistant("Hi")),
      line("note", "answer", { type: "attachment", attachment: { type: "file" } }),
      line("b", "note", user("b")),
    ];
    assert.equal(before(...lines), "answer");
  });

  it("is the answer on its own branch, not the last one in the file", () => {
    const lines = [
      line("a", null, user("a")),
      line("answer", "a", assistant("Hi")),
      line("b", "answer", user("b")),
      line("other", "b", assistant("Hi again")),
      line("c", "answer", user("c")),
    ];
    assert.equal(before(...lines), "answer");
  });

  it("is no error, nothing made up, and nothing that the model had not done with", () => {
    const lines = [
      line("a", null, user("a")),
      line("error", "a", apiError("API Error: 400", "unknown")),
      line("made-up", "error", madeUp),
      line("cut", "made-up", assistant("Hi", null)),
      line("b", "cut", user("b")),
    ];
    assert.equal(before(...lines), null);
  });

  it("is the summary after a compaction", () => {
    const lines = [
      line("a", null, user("a")),
      line("answer", "a", assistant("Hi")),
      line("boundary", null, { type: "system", subtype: "compact_boundary" }),
      line("summary", "boundary", own("The summary", { isCompactSummary: true })),
      line("b", "summary", user("b")),
    ];
    assert.equal(before(...lines), "summary");
  });

  it("is the summary also of a compaction in mid-turn: what stands before it cannot be gone back to any more", () => {
    const lines = [
      line("a", null, user("a")),
      line("answer", "a", assistant("Hi")),
      line("b", "answer", user("b")),
      line("boundary", null, { type: "system", subtype: "compact_boundary" }),
      line("summary", "boundary", own("The summary", { isCompactSummary: true })),
      line("error", "b", apiError("Prompt is too long", "invalid_request")),
    ];
    assert.equal(before(...lines), "summary");
  });

  it("is nothing for the first turn, and when what it follows was not read", () => {
    assert.equal(before(line("a", null, user("a"))), null);
    assert.equal(before(line("b", "not-here", user("b"))), null);
    assert.equal(before(user("a")), null);
  });
});

describe("lines", () => {
  it("that are none are passed over, and a field of another form hides no other", () => {
    const lines = [
      "",
      "{",
      "null",
      "7",
      "[]",
      '{"type":7}',
      JSON.stringify(user("a", { mergedSendUuids: 7 })),
    ];
    assert.deepEqual(
      turnsIn(entriesIn(lines.join("\n"))).map(({ members }) => members),
      [["a"]],
    );
    assert.equal(turn(user("a", { message: 7, isMeta: "no", parentUuid: 7 })).members[0], "a");
  });
});
