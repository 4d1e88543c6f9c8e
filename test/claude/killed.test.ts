/** What the transcript of a real Claude Code process says of its turns, however that process ended. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MessagesRequest, Step } from "../../src/offline/index.ts";
import { requestWith } from "../support/model.ts";
import { type ClaudeRig, longTool, startClaude } from "./rig.ts";

const forever = new Promise(() => {});
/** A text of which the first half has come. */
const half = {
  kind: "text",
  text: "one two three four",
  tokens: ["one ", "two ", "three ", "four"],
  hold: forever,
} as const;
const hang = { kind: "hang" } as const;
const open = { kind: "open" } as const;
const toolUse = '"type":"tool_use"';
const toolResult = '"type":"tool_result"';

/** A turn whose answer is on the way. */
async function streaming(rig: ClaudeRig): Promise<string> {
  rig.script("go", half);
  const uuid = rig.tell("go");
  await rig.until("text");
  await rig.onDisk(uuid);
  return uuid;
}

/** A turn in the middle of a tool; then the model plays `after`. */
async function inTool(rig: ClaudeRig, ...after: Step[]): Promise<string> {
  rig.script("go", longTool, ...after);
  const uuid = rig.tell("go");
  await rig.until("begun");
  await rig.onDisk(toolUse);
  return uuid;
}

/** Results of tools that follow no call of them: the API would refuse the whole conversation. */
function resultsWithoutCall(messages: MessagesRequest["messages"]): unknown[] {
  const called = new Set<unknown>();
  return messages.flatMap(({ content }) =>
    (typeof content === "string" ? [] : content).filter((block) => {
      if (block.type === "tool_use") called.add(block.id);
      return block.type === "tool_result" && !called.has(block.tool_use_id);
    }),
  );
}

describe("a process that was killed leaves of a message", { timeout: 300_000 }, () => {
  it("nothing, or an open turn without progress, when it had just been taken", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", hang);
    const uuid = rig.tell("go");
    await new Promise<void>((resolve) => rig.onTaken(uuid, () => void rig.kill().then(resolve)));
    for (const turn of await rig.turns()) {
      assert.deepEqual([turn.members, turn.end, turn.progress], [[uuid], open, 0]);
    }
  });

  it("nothing, when it only waited behind a running turn", async (t) => {
    const rig = await startClaude(t);
    const uuid = await streaming(rig);
    rig.tell("behind it");
    await rig.hasAll();
    await rig.kill();
    assert.deepEqual((await rig.turn()).members, [uuid]);
  });

  it("an open turn without a word, when its answer was on the way", async (t) => {
    const rig = await startClaude(t);
    const uuid = await streaming(rig);
    await rig.kill();
    const { members, end, text, progress } = await rig.turn();
    assert.deepEqual({ members, end, text, progress }, { members: [uuid], end: open, text: "", progress: 0 });
  });

  it("an open turn with what was said and done, in a tool and behind it", async (t) => {
    const rig = await startClaude(t);
    const uuid = await inTool(rig, hang);
    const before = await rig.turn();
    assert.deepEqual([before.members, before.end, before.text], [[uuid], open, "Let me see."]);
    assert.ok(before.progress > 0);
    await rig.release();
    await rig.onDisk(toolResult);
    await rig.kill();
    assert.deepEqual(await rig.turn(), { ...before, progress: before.progress + 1 });
  });

  it("the whole answer, at the moment that its end is told", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", longTool, { kind: "text", text: "It is done." });
    await rig.release();
    const uuid = await rig.say("go");
    await rig.kill();
    const { members, end, text, before } = await rig.turn();
    assert.deepEqual([members, end], [[uuid], { kind: "answered" }]);
    assert.equal(text, "Let me see.\n\nIt is done.");
    assert.ok(before);
  });

  it("its place in the turn that it joined", async (t) => {
    const rig = await startClaude(t);
    const uuid = await inTool(rig, hang);
    const joined = rig.tell("one more thing");
    await rig.hasAll();
    await rig.release();
    await rig.onDisk(joined);
    await rig.kill();
    const { members, end } = await rig.turn();
    assert.deepEqual([members, end], [[uuid, joined], open]);
  });

  it("its place in the turn that it began together with others", async (t) => {
    const rig = await startClaude(t);
    const go = Promise.withResolvers<void>();
    rig.script("go", { ...half, hold: go.promise });
    rig.script("third", hang);
    const first = rig.tell("go");
    await rig.until("text");
    const merged = [rig.tell("second"), rig.tell("third")];
    await rig.hasAll();
    go.resolve();
    await rig.onDisk(...merged);
    await rig.kill();
    assert.deepEqual(
      (await rig.turns()).map(({ members, end }) => [members, end.kind]),
      [
        [[first], "answered"],
        [merged, "open"],
      ],
    );
  });
});

describe("a turn that was ended", { timeout: 300_000 }, () => {
  for (const [what, begin] of [
    ["while its answer was on the way", streaming],
    ["in a tool", inTool],
  ] as const) {
    it(`by an interrupt ${what} is not open: nobody wants it continued`, async (t) => {
      const rig = await startClaude(t);
      const uuid = await begin(rig);
      await rig.process.interrupt();
      await rig.until("failed");
      await rig.kill();
      const { members, end } = await rig.turn();
      assert.deepEqual([members, end], [[uuid], { kind: "interrupted" }]);
    });

    it(`by SIGTERM ${what} is open`, async (t) => {
      const rig = await startClaude(t);
      const uuid = await begin(rig);
      await rig.process.kill(20_000);
      const { members, end } = await rig.turn();
      assert.deepEqual([members, end], [[uuid], open]);
    });
  }

  it("by closing the process in a tool is open", async (t) => {
    const rig = await startClaude(t);
    const uuid = await inTool(rig);
    await rig.process.close();
    const { members, end } = await rig.turn();
    assert.deepEqual([members, end], [[uuid], open]);
  });

  it("by an error of the API has failed, with the code and the words that the process told", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", { kind: "error", status: 400, type: "invalid_request_error", message: "no such thing" });
    const uuid = await rig.say("go");
    await rig.kill();
    const { members, end, progress, before } = await rig.turn();
    const { code, message } = rig.failure;
    assert.deepEqual([members, end, progress], [[uuid], { kind: "failed", code, message }, 0]);
    assert.match(message, /no such thing/);
    assert.ok(before);
  });

  it("by an error of the API after a tool has failed, and shows what it had done", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", longTool, { kind: "error", status: 529, type: "overloaded_error", message: "busy" });
    await rig.release();
    await rig.say("go");
    await rig.kill();
    const { end, progress } = await rig.turn();
    assert.equal(end.kind, "failed");
    assert.ok(progress > 0);
  });

  it("by the output limit and then an answer says both as one", async (t) => {
    const rig = await startClaude(t);
    rig.script(
      "go",
      { kind: "text", text: "one two th", stopReason: "max_tokens" },
      { kind: "text", text: "ree four" },
    );
    await rig.say("go");
    await rig.kill();
    const { end, text } = await rig.turn();
    assert.deepEqual([end, text], [{ kind: "answered" }, "one two three four"]);
  });

  it("by the output limit and then a kill is open, with what it had said", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", { kind: "text", text: "one two th", stopReason: "max_tokens" }, hang);
    rig.tell("go");
    await rig.onDisk("Resume directly");
    await rig.kill();
    const { end, text } = await rig.turn();
    assert.deepEqual([end, text], [open, "one two th"]);
  });
});

describe("a conversation that goes on", { timeout: 300_000 }, () => {
  it("has one turn of a turn that was cut and continued, with its first members", async (t) => {
    const rig = await startClaude(t);
    const killed = Promise.withResolvers<void>();
    const done = { kind: "text", text: "Done." } as const;
    const uuid = await inTool(rig, { kind: "gate", until: killed.promise, step: done });
    const joined = rig.tell("one more thing");
    await rig.hasAll();
    await rig.release();
    await rig.onDisk(joined);
    await rig.kill();
    killed.resolve();
    const { text } = await rig.turn();
    rig.launch({ mode: "continue", text });
    await rig.until("done");
    await rig.kill();
    const { members, end, ...turn } = await rig.turn();
    assert.deepEqual([members, end], [[uuid, joined], { kind: "answered" }]);
    assert.ok(turn.text.startsWith("Let me see.\n\n"), turn.text);
  });

  it("goes on behind the answer before a turn that was taken out of it", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", { kind: "error", status: 400, type: "invalid_request_error", message: "no" });
    await rig.say("go");
    await rig.kill();
    const failed = await rig.turn();
    assert.equal(failed.end.kind, "failed");
    await rig.takeOut(failed);
    assert.deepEqual(await rig.turns(), []);
    rig.launch({ mode: "resume" });
    const asked = requestWith(rig.model, "next");
    const next = await rig.say("next");
    const conversation = JSON.stringify((await asked).body.messages);
    assert.match(conversation, /warm up/);
    assert.doesNotMatch(conversation, /"go/);
    await rig.kill();
    const { members, end, before } = await rig.turn();
    assert.deepEqual([members, end, before], [[next], { kind: "answered" }, failed.before]);
  });

  it("is whole again after a full disk has swallowed what a message that joined the turn followed", async (t) => {
    const rig = await startClaude(t);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const again = { kind: "tool", name: "Bash", input: { command: "printf 'sec%s' ond" } } as const;
    rig.script("go", { kind: "gate", until: first.promise, step: longTool }, again, {
      kind: "gate",
      until: second.promise,
      step: { kind: "text", text: "Done." },
    });
    const uuid = rig.tell("go");
    await rig.onDisk(uuid);
    await rig.kill();
    rig.launch({ mode: "continue", text: "" });
    // Before that it would not ask its hooks about the call.
    await rig.until("ready");
    first.resolve();
    await rig.until("begun");
    const joined = rig.tell("one more thing");
    await rig.hasAll();
    await rig.release();
    await rig.onDisk('"second"');
    await rig.kill();
    await rig.swallowBetween(uuid, joined);
    await rig.lookAfter();
    const { members, text } = await rig.turn();
    assert.deepEqual(members, [uuid, joined]);
    second.resolve();
    rig.launch({ mode: "continue", text });
    const { body } = await rig.model.waitForRequest(({ kind }) => kind === "messages");
    const conversation = JSON.stringify(body.messages);
    for (const said of ['"warm up"', '"go"', "one more thing"])
      assert.equal(conversation.split(said).length, 2, `${said}: ${conversation}`);
    assert.deepEqual(resultsWithoutCall(body.messages), []);
  });

  it("has no turn for a compaction, and those before and after it as they are", async (t) => {
    const rig = await startClaude(t);
    const said = [await rig.say("before")];
    rig.process.compact();
    await rig.until("compacted");
    said.push(await rig.say("after"));
    await rig.kill();
    assert.deepEqual(
      (await rig.turns()).map(({ members, end }) => [members, end.kind]),
      said.map((uuid) => [[uuid], "answered"]),
    );
  });

  it("goes back to the summary when what came after a compaction only failed", async (t) => {
    const rig = await startClaude(t);
    await rig.say("before");
    rig.process.compact();
    await rig.until("compacted");
    rig.script("go", { kind: "error", status: 400, type: "invalid_request_error", message: "no" });
    await rig.say("go");
    await rig.kill();
    const failed = (await rig.turns()).at(-1);
    assert.ok(failed?.before);
    await rig.takeOut(failed);
    rig.launch({ mode: "resume" });
    const asked = requestWith(rig.model, "next");
    await rig.say("next");
    const conversation = JSON.stringify((await asked).body.messages);
    assert.match(conversation, /continued from a previous conversation/);
    assert.doesNotMatch(conversation, /"go/);
  });

  it("takes the words of an interrupt for a message when a contact types them", async (t) => {
    const rig = await startClaude(t);
    const uuid = await rig.say("[Request interrupted by user]");
    await rig.kill();
    const { members, end } = await rig.turn();
    assert.deepEqual([members, end], [[uuid], { kind: "answered" }]);
  });
});
