import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { spaceOf } from "../../src/claude/index.ts";
import type { Folders } from "../../src/sessions/ground.ts";
import { clearAfter, clearLeft, noteRunning } from "../../src/sessions/running.ts";

let home: string;
let folders: Folders;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "switchboard-running-"));
  const folder = (name: string) => join(home, name);
  folders = {
    home,
    spaces: folder("spaces"),
    links: folder("links"),
    transcripts: folder("transcripts"),
    running: folder("running"),
  };
});
afterEach(async () => {
  await rm(home, { recursive: true });
});

/** The folder of what its process has left. */
async function leaveTraces(sessionId: string): Promise<string> {
  const sockets = join(spaceOf(folders.spaces, sessionId).tmp, "cc-socks");
  await mkdir(sockets, { recursive: true });
  await writeFile(join(sockets, "1.sock"), "");
  return sockets;
}

describe("the note that a session has a process", () => {
  it("is there before its process, for its owner alone, and gone when its traces are", async () => {
    await noteRunning(folders, "a");
    assert.deepEqual(await readdir(folders.running), ["a"]);
    assert.equal((await stat(join(folders.running, "a"))).mode & 0o777, 0o600);
    const sockets = await leaveTraces("a");
    await clearAfter(folders, "a");
    assert.deepEqual([await readdir(folders.running), await readdir(sockets)], [[], []]);
  });

  it("leads the next daemon to what is left, and nowhere else", async () => {
    for (const sessionId of ["a", "b"]) await noteRunning(folders, sessionId);
    const noted = [await leaveTraces("a"), await leaveTraces("b")];
    const other = await leaveTraces("c");
    await clearLeft(folders);
    assert.deepEqual(await Promise.all([...noted, other].map((path) => readdir(path))), [[], [], ["1.sock"]]);
    assert.deepEqual(await readdir(folders.running), []);
  });

  it("can be of no session at all, also in a new home", async () => {
    await clearLeft(folders);
    assert.deepEqual(await readdir(home), []);
  });
});
