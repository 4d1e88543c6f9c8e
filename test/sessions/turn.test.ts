import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OpenTurn, timeoutOf } from "../../src/sessions/turn.ts";

const running = { since: 1, timeoutMs: null };

describe("what a running turn waits for", () => {
  it("is the model at first, a tool while any runs, then the model again", () => {
    const turn = new OpenTurn();
    assert.deepEqual(turn.waiting, { for: "model" });
    turn.toolBegins("a", running);
    turn.toolBegins("b", { since: 2, timeoutMs: 500 });
    assert.deepEqual(turn.waiting, { for: "tool" });
    turn.toolEnds("a");
    assert.deepEqual(turn.waiting, { for: "tool" });
    turn.toolEnds("b");
    assert.deepEqual(turn.waiting, { for: "model" });
  });

  it("is the compaction until the model is asked again, whatever runs beside it", () => {
    const turn = new OpenTurn();
    turn.toolBegins("a", running);
    turn.waits("compaction");
    assert.deepEqual(turn.waiting, { for: "compaction" });
    turn.waits("model");
    assert.deepEqual(turn.waiting, { for: "tool" });
  });

  it("is told with the tools that run, since when, and how long they said they would take", () => {
    const turn = new OpenTurn();
    turn.toolBegins("a", running);
    turn.toolBegins("b", { since: 2, timeoutMs: 500 });
    assert.deepEqual(turn.tools, [running, { since: 2, timeoutMs: 500 }]);
    turn.toolEnds("a");
    turn.toolEnds("never begun");
    assert.deepEqual(turn.tools, [{ since: 2, timeoutMs: 500 }]);
  });

  it("is each turn's own", () => {
    assert.notEqual(new OpenTurn().id, new OpenTurn().id);
  });
});

describe("the time that a tool call declares", () => {
  it("is its timeout in ms, as Bash's is", () => {
    assert.equal(timeoutOf({ command: "make", timeout: 600_000 }), 600_000);
  });

  it("is none where there is no number of ms to go by", () => {
    const without = [undefined, null, "600000", 7, [], {}, { timeout: "600000" }, { timeout: null }];
    for (const input of [...without, { timeout: 0 }, { timeout: -1 }, { timeout: Number.NaN }]) {
      assert.equal(timeoutOf(input), null, JSON.stringify(input));
    }
  });
});
