import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import type { Space } from "../../src/claude/claude.ts";
import { spaceOf } from "../../src/claude/space.ts";
import {
  findTranscript,
  holdsConversation,
  lastTurn,
  readTurns,
  savedCost,
} from "../../src/claude/transcript.ts";

let home: string;
let space: Space;
let file: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "switchboard-transcript-"));
  space = spaceOf(home, "session");
  file = join(home, "transcript.jsonl");
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

const user = (uuid: string, more: object = {}) => ({
  type: "user",
  uuid,
  message: { role: "user", content: [{ type: "text", text: "Grüße 🙂" }] },
  ...more,
});
const assistant = (uuid: string) => ({
  type: "assistant",
  uuid,
  message: { role: "assistant", content: [] },
});
const joined = (uuid: string) => ({
  type: "attachment",
  uuid: `line-of-${uuid}`,
  attachment: { type: "queued_command", prompt: "wait", source_uuid: uuid },
});
const queued = { type: "queue-operation", operation: "enqueue", content: "only queued" };
const cost = (usd: number) => ({ type: "cost-state", totalCostUSD: usd });
const linesOf = (entries: readonly object[]) => entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");

async function membersIn(content: string | Buffer): Promise<string[]> {
  await writeFile(file, content);
  return (await readTurns(file)).flatMap(({ members }) => members).sort();
}

async function costOf(content: string): Promise<number> {
  await writeFile(file, content);
  return await savedCost(file);
}

describe("the messages in the turns of a transcript", () => {
  it("are those that began a turn, were merged into it, or joined it", async () => {
    const entries = [
      user("began"),
      assistant("not a message"),
      joined("joined"),
      queued,
      user("last of three", { mergedSendUuids: ["first of three", "second of three"] }),
      cost(0.1),
    ];
    assert.deepEqual(await membersIn(linesOf(entries)), [
      "began",
      "first of three",
      "joined",
      "last of three",
      "second of three",
    ]);
  });

  it("are not those of other attachments, or that somebody only wrote about", async () => {
    const quoted = user("real", { message: { role: "user", content: linesOf([user("quoted")]) } });
    const attachment = { type: "attachment", attachment: { type: "file", source_uuid: "file" } };
    assert.deepEqual(await membersIn(linesOf([quoted, attachment])), ["real"]);
  });

  it("are none in an empty file", async () => {
    assert.deepEqual(await membersIn(""), []);
  });

  it("are read around lines that are no entries", async () => {
    const garbage = ["", "{", "null", "7", "[]", '"text"', '{"type":7}', "\0\0\0\0", "\ufffd"].join("\n");
    assert.deepEqual(
      await membersIn(`${garbage}\n${linesOf([user("a")])}${garbage}\n${linesOf([joined("b")])}`),
      ["a", "b"],
    );
  });

  it("are read from what is left of a line whose other fields have changed their form", async () => {
    const changed = [
      user("a", { mergedSendUuids: null }),
      user("b", { attachment: null, totalCostUSD: "0.10" }),
      user("c", { attachment: { source_uuid: 7 } }),
    ];
    assert.deepEqual(await membersIn(linesOf(changed)), ["a", "b", "c"]);
  });

  it("are those of the whole lines, wherever a kill has cut the file", async () => {
    const entries = [user("a"), joined("b"), user("d", { mergedSendUuids: ["c"] })];
    const whole = Buffer.from(linesOf(entries));
    const ends = entries.map((_, n) => Buffer.byteLength(linesOf(entries.slice(0, n + 1))));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), async (cut) => {
        // A line is whole with its last brace; the line feed behind it adds nothing.
        const lines = ends.filter((end) => end - 1 <= cut).length;
        assert.deepEqual(
          await membersIn(whole.subarray(0, cut)),
          [[], ["a"], ["a", "b"], ["a", "b", "c", "d"]][lines],
        );
      }),
    );
  });

  it("cannot be read from a file that is not there", async () => {
    await assert.rejects(readTurns(join(home, "none.jsonl")), { code: "ENOENT" });
  });
});

describe("the saved cost", () => {
  it("is that of the last turn", async () => {
    assert.equal(await costOf(linesOf([user("a"), cost(0.1), user("b"), cost(0.25), user("c")])), 0.25);
  });

  it("is nothing before the first turn has ended", async () => {
    assert.equal(await costOf(""), 0);
    assert.equal(await costOf(linesOf([user("a")])), 0);
  });

  it("is the last whole one when a kill has cut the file", async () => {
    const whole = linesOf([cost(0.1), cost(0.25)]);
    assert.equal(await costOf(whole.slice(0, -4)), 0.1);
  });

  it("is found at the end of a large file", async () => {
    const large = user("a", { message: { role: "user", content: "ü".repeat(100_000) } });
    assert.equal(await costOf(linesOf([cost(0.1), large, large, cost(0.25)])), 0.25);
  });

  it("is found before a large turn that was cut: else all of the session would be charged again", async () => {
    const large = user("a", { message: { role: "user", content: "ü".repeat(300_000) } });
    assert.equal(await costOf(linesOf([cost(0.1), large])), 0.1);
  });
});

describe("the last turn", () => {
  const said = (uuid: string, text: string, parentUuid: string) => ({
    type: "assistant",
    uuid,
    parentUuid,
    message: { stop_reason: "end_turn", content: [{ type: "text", text }] },
  });
  const failure = (uuid: string, parentUuid: string) => ({
    ...said(uuid, "API Error: 400 bad", parentUuid),
    isApiErrorMessage: true,
    error: "invalid_request",
  });
  const large = "ü".repeat(100_000);

  async function last(...entries: object[]) {
    await writeFile(file, linesOf(entries));
    return await lastTurn(file);
  }

  it("is the one that ended, or did not, at the end of the file", async () => {
    const turn = await last(user("a"), said("b", "Hello", "a"), user("c", { parentUuid: "b" }));
    assert.deepEqual([turn?.members, turn?.end.kind, turn?.before], [["c"], "open", "b"]);
  });

  it("is none in a file without any", async () => {
    assert.equal(await last(), null);
    assert.equal(await last(cost(1)), null);
  });

  it("is found whole, however long it is and whatever lies before it", async () => {
    const first = said("b", large, "a");
    const turn = await last(user("a"), first, user("c", { parentUuid: "b" }), said("d", large, "c"));
    assert.deepEqual([turn?.members, turn?.text.length, turn?.end.kind], [["c"], large.length, "answered"]);
  });

  it("that failed tells the answer before it, however far that lies above", async () => {
    const between = { type: "attachment", attachment: { type: "file", content: large } };
    const turn = await last(
      user("a"),
      said("b", "Hello", "a"),
      ...Array(5).fill(between),
      user("c", { parentUuid: "b" }),
      failure("d", "c"),
    );
    assert.deepEqual([turn?.end.kind, turn?.before], ["failed", "b"]);
    const only = await last(...Array(5).fill(between), user("c", { parentUuid: null }), failure("d", "c"));
    assert.deepEqual([only?.end.kind, only?.before], ["failed", null]);
  });
});

describe("a transcript that could be resumed", () => {
  const holds = async (content: string) => {
    await writeFile(file, content);
    return await holdsConversation(file);
  };

  it("holds something that was said", async () => {
    assert.equal(await holds(linesOf([cost(1), user("a")])), true);
    assert.equal(await holds(`{"type":"user"\n\0\0\n${linesOf([assistant("b")])}`), true);
  });

  it("is no empty file, no garbage, nothing but bookkeeping, and nothing that only subagents said", async () => {
    const { uuid: _, ...nobody } = user("a");
    const sidechain = user("a", { isSidechain: true });
    for (const content of ["", "\0".repeat(4096), '{"type":"user","uu', linesOf([cost(1), queued])]) {
      assert.equal(await holds(content), false);
    }
    assert.equal(await holds(linesOf([nobody, sidechain])), false);
  });

  it("is none that only looks like one to us: the CLI wants the type as it writes it", async () => {
    assert.equal(await holds('{"type": "user", "uuid": "a"}\n'), false);
  });
});

describe("the transcript of a session", () => {
  const id = "0b7c2f1e-4f0a-4d53-9d53-0d7f0a3d7f11";
  const projects = () => join(space.claude, "projects");

  it("is found in whichever project folder it lies", async () => {
    await mkdir(join(projects(), "-other"), { recursive: true });
    await mkdir(join(projects(), "-spaces-session-work"));
    await writeFile(join(projects(), "-other", "another-session.jsonl"), "");
    const transcript = join(projects(), "-spaces-session-work", `${id}.jsonl`);
    await writeFile(transcript, "");
    assert.equal(await findTranscript(space, id), transcript);
  });

  it("is not there before there is a space, a config folder, projects or a file of its name", async () => {
    assert.equal(await findTranscript(space, id), null);
    await mkdir(space.claude, { recursive: true });
    assert.equal(await findTranscript(space, id), null);
    await mkdir(join(projects(), "-work"), { recursive: true });
    assert.equal(await findTranscript(space, id), null);
    await writeFile(join(projects(), "-work", `${id}.jsonl.bak`), "");
    assert.equal(await findTranscript(space, id), null);
  });

  it("is found beside files where project folders should be", async () => {
    await mkdir(join(projects(), "z"), { recursive: true });
    await writeFile(join(projects(), "a file"), "");
    await writeFile(join(projects(), "z", `${id}.jsonl`), "");
    assert.equal(await findTranscript(space, id), join(projects(), "z", `${id}.jsonl`));
  });

  it("is not there when `projects` itself is a file", async () => {
    await mkdir(space.claude, { recursive: true });
    await writeFile(projects(), "");
    assert.equal(await findTranscript(space, id), null);
  });
});
