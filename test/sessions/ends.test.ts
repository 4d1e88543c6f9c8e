import assert from "node:assert/strict";
import { it } from "node:test";
import { type EndReason, endKindOf } from "../../src/sessions/ends.ts";

it("why a process ended is told in few words, and is `died` for what it says at an end of its own", () => {
  const ours: Array<[EndReason, string]> = [
    ["idle for long", "idle"],
    ["it took 3000 MiB of memory with its tools, and 2048 are allowed", "memory"],
    ["tier family has changed", "policy"],
    ["it does not answer", "hung"],
  ];
  for (const [reason, kind] of ours) assert.equal(endKindOf(reason), kind);
  for (const reason of ["Claude Code process exited with code 1", "closed", "toString", ""])
    assert.equal(endKindOf(reason), "died");
});
