import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import {
  copyTranscript,
  lookAfter,
  putTranscriptAside,
  type Space,
  spaceOf,
  type TranscriptTurn,
  takeLastTurnOut,
} from "../../src/claude/index.ts";

const id = "0b7c2f1e-4f0a-4d53-9d53-0d7f0a3d7f11";

let home: string;
let space: Space;
let copies: string;
let project: string;
let file: string;
let copied: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "switchboard-copy-"));
  space = spaceOf(home, "session");
  copies = join(home, "transcripts");
  project = join(space.claude, "projects", "-work");
  file = join(project, `${id}.jsonl`);
  copied = join(copies, "-work", `${id}.jsonl`);
  await mkdir(project, { recursive: true });
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

const said = (text: string) => `${JSON.stringify({ type: "user", uuid: "u", message: { content: text } })}\n`;
const lines = said("Grüße 🙂") + said("two") + said("three");
const copy = () => copyTranscript(space, id, copies);
const look = () => lookAfter(space, id, copies);
const read = (path: string) => readFile(path, "utf8");

/** What was put aside, as text. */
async function aside(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(`${id}.jsonl.aside-`));
  return await Promise.all(names.map((name) => read(join(folder, name))));
}

describe("the copy of a transcript", () => {
  it("has the whole lines of it, wherever the file ends at the moment", async () => {
    const text = fc.string({ unit: fc.oneof(fc.constantFrom("\n", "\n", "ü", "🙂"), fc.string()) });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(text, fc.nat(4)), { maxLength: 6 }), async (pieces) => {
        const folder = spaceOf(home, randomUUID());
        const own = { ...folder, copies: join(home, randomUUID()) };
        const transcript = join(own.claude, "projects", "-work", `${id}.jsonl`);
        await mkdir(join(own.claude, "projects", "-work"), { recursive: true });
        await writeFile(transcript, "");
        for (const [piece, cut] of pieces) {
          // A write may end within a character.
          const bytes = Buffer.from(piece);
          await appendFile(transcript, bytes.subarray(0, bytes.length - cut));
          await copyTranscript(own, id, own.copies);
          const whole = await readFile(transcript);
          const expected = whole.subarray(0, whole.lastIndexOf(0x0a) + 1);
          assert.deepEqual(await readFile(join(own.copies, "-work", `${id}.jsonl`)), expected);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("follows lines that are longer than what is read at once", async () => {
    const long = said("x".repeat(3 << 20));
    await writeFile(file, said("short") + long.slice(0, 2 << 20));
    await copy();
    assert.equal(await read(copied), said("short"));
    await appendFile(file, long.slice(2 << 20) + said("after"));
    await copy();
    assert.equal((await read(copied)) === said("short") + long + said("after"), true);
  });

  it("is made by appending: what it has already is not read or written again", async () => {
    await writeFile(file, lines);
    await copy();
    const { ino } = await stat(copied);
    await writeFile(copied, lines.replace("two", "TWO"));
    await appendFile(file, said("four"));
    await copy();
    assert.equal(await read(copied), lines.replace("two", "TWO") + said("four"));
    assert.equal((await stat(copied)).ino, ino);
  });

  it("never loses what it has: a transcript that was cut takes nothing from it", async () => {
    await writeFile(file, lines);
    await copy();
    await writeFile(file, said("one"));
    await copy();
    await rm(file);
    await copy();
    assert.equal(await read(copied), lines);
  });

  it("has what lies beside the transcript, also when that has grown, but no links", async () => {
    const beside = join(project, id, "subagents");
    await mkdir(beside, { recursive: true });
    await writeFile(file, lines);
    await writeFile(join(beside, "a.jsonl"), "one");
    await writeFile(join(home, "secret"), "secret");
    await symlink(join(home, "secret"), join(beside, "link"));
    await symlink(home, join(project, id, "folder"));
    await copy();
    await appendFile(join(beside, "a.jsonl"), "two");
    await copy();
    const there = join(copies, "-work", id);
    assert.equal(await read(join(there, "subagents", "a.jsonl")), "onetwo");
    assert.deepEqual(await readdir(there), ["subagents"]);
    assert.deepEqual(await readdir(join(there, "subagents")), ["a.jsonl"]);
  });

  it("can be read by nobody else", async () => {
    await mkdir(join(project, id));
    await writeFile(file, lines, { mode: 0o644 });
    await writeFile(join(project, id, "result.txt"), "", { mode: 0o644 });
    await copy();
    assert.equal((await stat(join(copies, "-work"))).mode & 0o777, 0o700);
    assert.equal((await stat(copied)).mode & 0o777, 0o600);
    assert.equal((await stat(join(copies, "-work", id, "result.txt"))).mode & 0o777, 0o600);
  });

  it("is not made where there is no transcript", async () => {
    await copy();
    await assert.rejects(stat(copies), { code: "ENOENT" });
  });
});

describe("a transcript before it is resumed", () => {
  const well = () => ({ transcript: file, did: "nothing" });

  it("is left alone when it has all that its copy has, or more, or when there is no copy", async () => {
    await writeFile(file, lines);
    assert.deepEqual(await look(), well());
    await copy();
    assert.deepEqual(await look(), well());
    await appendFile(file, said("four"));
    assert.deepEqual(await look(), well());
    assert.equal(await read(file), lines + said("four"));
    assert.deepEqual(await aside(project), []);
  });

  it("is nothing where nothing is", async () => {
    assert.deepEqual(await look(), { transcript: null, did: "nothing" });
  });

  it("is restored when it is gone, with all that lay beside it, in its place", async () => {
    await mkdir(join(project, id));
    await writeFile(file, lines);
    await writeFile(join(project, id, "result.txt"), "long result");
    await copy();
    await rm(join(home, "session"), { recursive: true });
    assert.deepEqual(await look(), { transcript: file, did: "restored" });
    assert.equal(await read(file), lines);
    assert.equal(await read(join(project, id, "result.txt")), "long result");
    assert.deepEqual(await look(), well());
  });

  for (const [what, damage] of [
    ["cut", () => truncate(file, 40)],
    ["emptied", () => truncate(file, 0)],
    ["overwritten by as many bytes", () => writeFile(file, "\0".repeat(Buffer.byteLength(lines)))],
    ["replaced by another conversation", () => writeFile(file, said("other".repeat(100)))],
  ] as const) {
    it(`is restored when it was ${what}, and the damaged one is kept`, async () => {
      await writeFile(file, lines);
      await copy();
      await damage();
      const damaged = await read(file);
      assert.deepEqual(await look(), { transcript: file, did: "restored" });
      assert.equal(await read(file), lines);
      assert.deepEqual(await aside(project), [damaged]);
    });
  }

  it("is not replaced by a copy that holds no conversation", async () => {
    await writeFile(file, lines);
    await copy();
    for (const worthless of ["", "\0".repeat(10_000)]) {
      await writeFile(copied, worthless);
      assert.deepEqual(await look(), well());
      assert.equal(await read(file), lines);
    }
    await rm(file);
    assert.equal((await look()).transcript, null);
  });

  it("loses what a crash has left of a line, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(Buffer.byteLength(lines)), async (length) => {
        const cut = Buffer.from(lines).subarray(0, length);
        const whole = cut.subarray(0, cut.lastIndexOf(0x0a) + 1);
        await writeFile(file, cut);
        const { transcript, did } = await look();
        assert.equal(transcript, whole.length > 0 ? file : null);
        if (transcript === null) return;
        assert.equal(did, whole.length < cut.length ? "cut" : "nothing");
        assert.deepEqual(await readFile(file), whole);
      }),
      { examples: [[0], [Buffer.byteLength(said("Grüße 🙂")) - 1]] },
    );
  });

  it("is put aside when no conversation is in it, and none in a copy", async () => {
    await writeFile(file, '{"type":"mode"}\n');
    assert.deepEqual(await look(), { transcript: null, did: "nothing" });
    assert.deepEqual(await aside(project), ['{"type":"mode"}\n']);
  });
});

describe("a turn that came to nothing", () => {
  const turn = (...members: string[]): TranscriptTurn => ({
    members,
    text: "",
    progress: 0,
    end: { kind: "failed", code: "invalid_request", message: "no" },
    before: "u",
  });
  const last = `${JSON.stringify({ type: "user", uuid: "last", message: { content: "Ä" } })}\n`;
  const whole = `${lines}${last}{"type":"mode"}\n`;

  for (const isCopied of [true, false]) {
    it(`is cut off, for good, and the whole kept aside (${isCopied ? "copied" : "not copied"})`, async () => {
      await writeFile(file, isCopied ? whole : lines);
      await copy();
      await writeFile(file, whole);
      await takeLastTurnOut(space, id, copies, turn("merged", "last"));
      assert.deepEqual([await read(file), await read(copied)], [lines, lines]);
      assert.deepEqual(await aside(project), [whole]);
      assert.deepEqual(await look(), { transcript: file, did: "nothing" });
    });
  }

  it("stays when it is not found: nothing is cut on a guess", async () => {
    await writeFile(file, whole);
    await takeLastTurnOut(space, id, copies, turn("another"));
    assert.deepEqual([await read(file), await aside(project)], [whole, []]);
  });
});

describe("a transcript that Claude Code refuses", () => {
  it("is put aside with its copy when that says the same, so that it is not restored", async () => {
    await writeFile(file, lines);
    await copy();
    await putTranscriptAside(space, id, copies);
    assert.deepEqual(await look(), { transcript: null, did: "nothing" });
    assert.deepEqual([await aside(project), await aside(join(copies, "-work"))], [[lines], [lines]]);
  });

  it("is restored when its copy says something else", async () => {
    await writeFile(file, lines);
    await copy();
    await writeFile(file, "damaged");
    await putTranscriptAside(space, id, copies);
    assert.deepEqual(await look(), { transcript: file, did: "restored" });
    assert.deepEqual(await aside(project), ["damaged"]);
  });

  it("may be gone already, and its copy too", async () => {
    await putTranscriptAside(space, id, copies);
    assert.deepEqual(await aside(project), []);
  });
});
