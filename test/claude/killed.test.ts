/** What the transcript of a real Claude Code process says of its turns, however that process ended. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { longTool, startClaude } from "./rig.ts";

const forever = new Promise(() => {});
/** A text of which the first half has come. */
const half = {
  kind: "text",
  text: "one two three four",
  tokens: ["one ", "two ", "three ", "four"],
} as const;
const hang = { kind: "hang" } as const;
const open = { kind: "open" } as const;

describe("a killed process leaves of a message", { timeout: 300_000 }, () => {
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
    rig.script("go", { ...half, hold: forever });
    const uuid = rig.tell("go");
    await rig.until("text");
    rig.tell("behind it");
    await rig.onDisk(uuid, "behind it");
    await rig.kill();
    assert.deepEqual((await rig.turn()).members, [uuid]);
  });

  it("an open turn without a word, when its answer was on the way", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", { ...half, hold: forever });
    const uuid = rig.tell("go");
    await rig.until("text");
    await rig.onDisk(uuid);
    await rig.kill();
    const { members, end, text, progress } = await rig.turn();
    assert.deepEqual({ members, end, text, progress }, { members: [uuid], end: open, text: "", progress: 0 });
  });

  it("an open turn with what was said and done, in a tool and behind it", async (t) => {
    const rig = await startClaude(t);
    rig.script("go", longTool, hang);
    const uuid = rig.tell("go");
    await rig.until("begun");
    await rig.onDisk("tool_use");
    const inTool = await rig.turn();
    assert.deepEqual([inTool.members, inTool.end, inTool.text], [[uuid], open, "Let me see."]);
    assert.ok(inTool.progress > 0);
    await rig.release();
    await rig.onDisk("tool_result");
    await rig.kill();
    const { progress, ...behind } = await rig.turn();
    assert.deepEqual(behind, { ...inTool, progress: undefined, ...behind, end: open, text: "Let me see." });
    assert.equal(progress, inTool.progress + 1);
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
});
