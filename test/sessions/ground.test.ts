import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Session } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { type Folders, prepareGround, takenIn } from "../../src/sessions/ground.ts";

const record: Session = {
  id: "0b7c2f1e-4f0a-4d53-9d53-0d7f0a3d7f11",
  chatId: "+15551234567",
  sdkSessionId: null,
  toldFacts: null,
  createdAt: 0,
  endedAt: null,
};

describe("the ground of a session's process", () => {
  let home: string;
  let folders: Folders;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "switchboard-ground-"));
    folders = { spaces: join(home, "spaces"), links: join(home, "chats") };
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });

  async function transcriptOf(sdkSessionId: string): Promise<string> {
    const project = join(folders.spaces, record.id, "claude", "projects", "-work");
    await mkdir(project, { recursive: true });
    const file = join(project, `${sdkSessionId}.jsonl`);
    const lines = [
      { type: "user", uuid: "taken" },
      { type: "cost-state", totalCostUSD: 0.5 },
    ];
    await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return file;
  }

  it("is folders, a link for people, and the session's own id when nothing was said yet", async () => {
    const { space, ...rest } = await prepareGround(record, "john", folders, silent);
    assert.ok((await stat(space.work)).isDirectory());
    assert.equal((await stat(join(folders.links, "john"))).ino, (await stat(space.work)).ino);
    assert.deepEqual(rest, { sdkSessionId: record.id, transcript: null, costSoFarUsd: 0 });
    assert.deepEqual(await takenIn(record, folders), new Set());
  });

  it("is the transcript of the proven id", async () => {
    const proven = { ...record, sdkSessionId: "proven" };
    await transcriptOf(record.id);
    assert.equal((await prepareGround(proven, "john", folders, silent)).transcript, null);
    const transcript = await transcriptOf("proven");
    const { space, ...rest } = await prepareGround(proven, "john", folders, silent);
    assert.deepEqual(rest, { sdkSessionId: "proven", transcript, costSoFarUsd: 0.5 });
    assert.deepEqual(await takenIn(proven, folders), new Set(["taken"]));
  });

  it("is the transcript that a crash left before any id was proven", async () => {
    const transcript = await transcriptOf(record.id);
    assert.equal((await prepareGround(record, "john", folders, silent)).transcript, transcript);
    assert.deepEqual(await takenIn(record, folders), new Set(["taken"]));
  });
});
