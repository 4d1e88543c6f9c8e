import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Logger, silent } from "../../src/log.ts";
import { linkSpace } from "../../src/sessions/link.ts";

describe("the link for people", () => {
  let home: string;
  let links: string;
  let warnings: string[];
  const log: Logger = { ...silent, warn: (_, message) => warnings.push(message) };

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "switchboard-link-"));
    links = join(home, "chats");
    warnings = [];
  });
  afterEach(async () => {
    await rm(home, { recursive: true });
  });

  /** The work folder of a session, with a note in it that says whose it is. */
  async function work(session: string): Promise<string> {
    const folder = join(home, "spaces", session, "work");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "note"), session);
    return folder;
  }

  const note = () => readFile(join(links, "john-doe", "note"), "utf8");

  it("leads to the session's work folder, and still does when the home has moved", async () => {
    await linkSpace(links, "john-doe", await work("first"), log);
    assert.equal(await note(), "first");
    const moved = `${home}-moved`;
    await rename(home, moved);
    home = moved;
    links = join(home, "chats");
    assert.equal(await note(), "first");
  });

  it("is made once, and replaced when the chat has another session", async () => {
    await linkSpace(links, "john-doe", await work("first"), log);
    await linkSpace(links, "john-doe", await work("first"), log);
    assert.equal(await note(), "first");
    await linkSpace(links, "john-doe", await work("second"), log);
    assert.equal(await note(), "second");
    assert.deepEqual(await readdir(links), ["john-doe"]);
    assert.deepEqual(warnings, []);
  });

  it("is never missing while it is replaced", async () => {
    const works = [await work("first"), await work("second")] as const;
    await linkSpace(links, "john-doe", works[0], log);
    let replacing = true;
    const replaced = (async () => {
      for (let n = 1; n <= 50; n++) await linkSpace(links, "john-doe", works[n % 2 === 0 ? 0 : 1], log);
      replacing = false;
    })();
    while (replacing) assert.match(await note(), /first|second/);
    await replaced;
  });

  it("that cannot be made is only logged, and leaves nothing behind", async () => {
    await mkdir(join(links, "john-doe", "somebody's folder"), { recursive: true });
    await linkSpace(links, "john-doe", await work("first"), log);
    assert.deepEqual(warnings, ["the link for people could not be made"]);
    assert.deepEqual(await readdir(links), ["john-doe"]);
    assert.deepEqual(await readdir(join(links, "john-doe")), ["somebody's folder"]);
  });

  it("is only logged when there can be no folder for it", async () => {
    await writeFile(links, "a file where the folder belongs");
    await linkSpace(links, "john-doe", await work("first"), log);
    assert.deepEqual(warnings, ["the link for people could not be made"]);
  });
});
