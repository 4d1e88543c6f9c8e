import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { TranscriptTurn } from "../../src/claude/index.ts";
import type { Session } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { copyOf, type Folders, prepareGround, putAside, turnsOf } from "../../src/sessions/ground.ts";

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
    folders = {
      spaces: join(home, "spaces"),
      home,
      links: join(home, "chats"),
      transcripts: join(home, "transcripts"),
      running: join(home, "running"),
    };
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });

  const user = (uuid: string, parentUuid: string | null) => ({
    type: "user",
    uuid,
    parentUuid,
    message: { content: "Hello" },
  });
  const assistant = (uuid: string, parentUuid: string, text: string, more: object = {}) => ({
    type: "assistant",
    uuid,
    parentUuid,
    message: { stop_reason: "end_turn", content: [{ type: "text", text }] },
    ...more,
  });
  const refusal = { isApiErrorMessage: true, error: "invalid_request" };
  const failed = (uuid: string, parentUuid: string) =>
    assistant(uuid, parentUuid, "API Error: 400 bad", refusal);
  const turn = [user("taken", null), assistant("answer", "taken", "Hi"), { type: "x", totalCostUSD: 0.5 }];

  async function transcriptOf(sdkSessionId: string, lines: readonly object[] = turn): Promise<string> {
    const project = join(folders.spaces, record.id, "claude", "projects", "-work");
    await mkdir(project, { recursive: true });
    const file = join(project, `${sdkSessionId}.jsonl`);
    await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return file;
  }
  const membersOf = async (of: Session) => (await turnsOf(of, folders)).flatMap(({ members }) => members);
  const prepare = (of: Session, taken: string | null = null) => {
    const continued = taken === null ? null : ({ members }: TranscriptTurn) => members.includes(taken);
    return prepareGround(of, "john", folders, { continued, log: silent });
  };
  const proven = { ...record, sdkSessionId: "proven" };

  it("is folders, a link for people, and the session's own id when nothing was said yet", async () => {
    const { space, ...rest } = await prepare(record);
    assert.ok((await stat(space.work)).isDirectory());
    assert.equal((await stat(join(folders.links, "john"))).ino, (await stat(space.work)).ino);
    const nothing = { transcript: null, costSoFarUsd: 0, did: "nothing", lost: false, suspect: false };
    assert.deepEqual(rest, { sdkSessionId: record.id, ...nothing });
    assert.deepEqual(await turnsOf(record, folders), []);
  });

  it("is the transcript of the proven id", async () => {
    await transcriptOf(record.id);
    assert.equal((await prepare(proven)).transcript, null);
    const transcript = await transcriptOf("proven");
    const { space, ...rest } = await prepare(proven);
    const there = { transcript, costSoFarUsd: 0.5, did: "nothing", lost: false, suspect: false };
    assert.deepEqual(rest, { sdkSessionId: "proven", ...there });
    assert.deepEqual(await membersOf(proven), ["taken"]);
  });

  it("is the transcript that a crash left before any id was proven", async () => {
    const transcript = await transcriptOf(record.id);
    assert.equal((await prepare(record)).transcript, transcript);
    assert.deepEqual(await membersOf(record), ["taken"]);
  });

  it("is the copy of a transcript that is gone, and its turns are read from there", async () => {
    const transcript = await transcriptOf("proven");
    await copyOf(proven, folders);
    await rm(folders.spaces, { recursive: true });
    assert.deepEqual(await membersOf(proven), ["taken"]);
    await rm(folders.spaces, { recursive: true });
    const { did, lost, ...rest } = await prepare(proven);
    assert.deepEqual([did, lost, rest.transcript, rest.costSoFarUsd], ["restored", false, transcript, 0.5]);
  });

  it("is lost when there was a conversation and neither transcript nor copy is left of it", async () => {
    assert.equal((await prepare(proven)).lost, true);
    assert.equal((await prepare(record)).lost, false);
    await transcriptOf("proven");
    await putAside(proven, folders);
    assert.equal((await prepare(proven)).lost, true);
  });

  it("tells that a last line was cut, and goes on without it", async () => {
    const transcript = await transcriptOf("proven");
    await appendFile(transcript, '{"type":"assis');
    assert.equal((await prepare(proven)).did, "cut");
    assert.equal((await prepare(proven)).did, "nothing");
  });

  it("takes out what only failed, so that it is not sent with every message to come", async () => {
    const poison = [user("poison", "answer"), failed("error", "poison")];
    await transcriptOf("proven", [...turn, ...poison]);
    const { transcript } = await prepare(proven);
    assert.ok(transcript);
    const left = await readFile(transcript, "utf8");
    assert.ok(left.includes('"answer"') && !left.includes("poison"));
    // The whole is kept beside it.
    const names = await readdir(dirname(transcript));
    const aside = names.find((name) => name.includes(".aside-")) ?? "";
    assert.ok((await readFile(join(dirname(transcript), aside), "utf8")).includes("poison"));
  });

  it("takes out what was cut before it achieved anything, unless that is to be taken up", async () => {
    await transcriptOf("proven", [...turn, user("cut", "answer")]);
    const holds = async (taken: string | null) => {
      const { transcript } = await prepare(proven, taken);
      return (await readFile(transcript ?? "", "utf8")).includes('"cut"');
    };
    assert.deepEqual([await holds("cut"), await holds(null)], [true, false]);
  });

  it("takes out what was begun behind the turn that is to be taken up", async () => {
    const behind = ["next", "and next"].flatMap((uuid) => [user(uuid, "cut"), failed(`of ${uuid}`, uuid)]);
    await transcriptOf("proven", [...turn, user("cut", "answer"), ...behind]);
    const { transcript } = await prepare(proven, "cut");
    const left = await readFile(transcript ?? "", "utf8");
    assert.ok(left.includes('"cut"') && !left.includes("next"));
  });

  it("goes on behind what failed when that had achieved something: it may have changed the world", async () => {
    const call = { stop_reason: "tool_use", content: [{ type: "tool_use", id: "t", name: "Bash" }] };
    const worked = assistant("call", "asked", "", { message: call });
    const result = { ...user("result", "call"), message: { content: [{ type: "tool_result" }] } };
    const made = [...turn, user("asked", "answer"), worked, result, failed("e", "result")];
    const before = await readFile(await transcriptOf("proven", made), "utf8");
    const { transcript } = await prepare(proven);
    assert.equal(await readFile(transcript ?? "", "utf8"), before);
  });

  it("is a new conversation under the same id when nothing was ever said but what failed", async () => {
    const file = await transcriptOf("proven", [user("poison", null), failed("error", "poison")]);
    await copyOf(proven, folders);
    const { transcript, lost, sdkSessionId } = await prepare(proven);
    assert.deepEqual([transcript, lost, sdkSessionId], [null, false, "proven"]);
    await assert.rejects(stat(file), { code: "ENOENT" });
    assert.deepEqual(await turnsOf(proven, folders), []);
  });
});
