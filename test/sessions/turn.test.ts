import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OpenTurn } from "../../src/sessions/turn.ts";

describe("what a running turn waits for", () => {
  it("is the model at first, a tool while any runs, then the model again", () => {
    const turn = new OpenTurn();
    assert.deepEqual(turn.waiting, { for: "model" });
    turn.tool("a", "started");
    turn.tool("b", "started");
    assert.deepEqual(turn.waiting, { for: "tool" });
    turn.tool("a", "finished");
    assert.deepEqual(turn.waiting, { for: "tool" });
    turn.tool("b", "failed");
    assert.deepEqual(turn.waiting, { for: "model" });
  });

  it("is the compaction until the model is asked again", () => {
    const turn = new OpenTurn();
    turn.waits("compaction");
    assert.deepEqual(turn.waiting, { for: "compaction" });
    turn.waits("model");
    assert.deepEqual(turn.waiting, { for: "model" });
  });

  it("is each turn's own", () => {
    assert.notEqual(new OpenTurn().id, new OpenTurn().id);
  });
});
