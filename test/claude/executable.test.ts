import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { describe, it } from "node:test";
import { claudeExecutable } from "../../src/claude/executable.ts";
import { startClaude } from "./rig.ts";

describe("the Claude Code that a session runs", () => {
  it("is the one installed with the SDK", () => {
    const file = claudeExecutable ?? assert.fail("none was found");
    accessSync(file, constants.X_OK);
    assert.match(
      file,
      /[/\\]node_modules[/\\]@anthropic-ai[/\\]claude-agent-sdk-[^/\\]+[/\\]claude(\.exe)?$/,
    );
  });

  it("is not looked up by what stops the daemon, at any start", async (t) => {
    const report = t.mock.method(process.report, "getReport");
    await startClaude(t);
    assert.equal(report.mock.callCount(), 0);
  });
});
