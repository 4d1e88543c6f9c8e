import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { clearTraces, type Space, spaceOf } from "../../src/claude/index.ts";

let home: string;
let space: Space;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "switchboard-traces-"));
  space = spaceOf(home, "session");
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

async function make(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "x");
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : [])).sort();
}

describe("what a killed process leaves in its space", () => {
  it("is removed, and nothing of the conversation or of the session's work with it", async () => {
    const kept = [
      join(space.claude, ".claude.json"),
      join(space.claude, "projects", "-work", "id.jsonl"),
      join(space.tmp, "claude-cwd.txt"),
      join(space.tmp, "claude-0", "tasks", "output"),
      join(space.work, "cc-socks", "notes.md"),
    ].sort();
    await make(
      ...kept,
      join(space.tmp, "cc-socks", "1.sock"),
      join(space.tmp, "claude-0", "fswatch-probe-1", "probe"),
      join(space.tmp, "claude-7a-cwd"),
      join(space.claude, "sessions", "1.json"),
      join(space.claude, ".claude.json.lock", "held"),
      join(space.claude, ".claude.json.tmp.17.0af3"),
      join(space.claude, "shell-snapshots", "snapshot.sh"),
    );
    await clearTraces(space);
    assert.deepEqual(await filesIn(home), kept);
  });

  it("can be nothing, in a space that does not exist", async () => {
    await clearTraces(space);
    assert.deepEqual(await readdir(home), []);
  });
});
