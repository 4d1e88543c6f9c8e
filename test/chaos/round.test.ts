/** A short round of the fault-injection kit on the real daemon: real kills, and an auditor that finds nothing. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { sabotages } from "../../chaos/sabotage/sabotages.ts";

const main = join(import.meta.dirname, "../../chaos/main.ts");

async function chaos(...args: string[]): Promise<{ code: number | null; printed: string; told: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const closed = once(child, "close");
  const [printed, told] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  return { code, printed, told };
}

describe("npm run chaos", { skip: process.platform !== "linux" && "reads /proc" }, () => {
  it("keeps every promise while processes and the daemon are killed", { timeout: 240_000 }, async (t) => {
    const folder = mkdtempSync(join(realpathSync(tmpdir()), "chaos-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { code, printed, told } = await chaos(
      ...["--seconds", "12", "--chats", "6", "--least", "1", "--seed", "ci", "--dir", folder],
    );
    assert.equal(code, 0, printed + told);
    assert.match(printed, /: 0 violations of/);
    assert.doesNotMatch(printed, /not covered/);
  });

  for (const { name } of sabotages) {
    it(`has a sabotage that fits the source: ${name}`, () => {
      const root = join(import.meta.dirname, "../..");
      execFileSync("git", ["apply", "--check", join(root, `chaos/sabotage/${name}.patch`)], { cwd: root });
    });
  }

  it("names the option that it cannot use", async () => {
    const { code, told } = await chaos("--chats", "many");
    assert.equal(code, 1);
    assert.match(told, /--chats must be a whole number from 1 to 999999: many/);
  });
});
