import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openSpace, spaceOf } from "../../src/claude/space.ts";

describe("a session's space", () => {
  let home: string;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), "switchboard-space-"));
  });
  after(async () => {
    await rm(home, { recursive: true });
  });

  it("is three folders, and making them names no others", async () => {
    const spaces = join(home, "named");
    assert.deepEqual(spaceOf(spaces, "s"), {
      work: join(spaces, "s", "work"),
      claude: join(spaces, "s", "claude"),
      tmp: join(spaces, "s", "tmp"),
    });
    assert.deepEqual(await openSpace(spaces, "s"), spaceOf(spaces, "s"));
  });

  it("is nobody else's to look into, from its root on", async () => {
    const spaces = join(home, "private");
    const space = await openSpace(spaces, "s");
    for (const folder of [spaces, join(spaces, "s"), ...Object.values(space)])
      assert.equal((await stat(folder)).mode & 0o777, 0o700, folder);
  });

  it("keeps what is in it when it is opened again", async () => {
    const spaces = join(home, "kept");
    const { work } = await openSpace(spaces, "s");
    await writeFile(join(work, "note"), "");
    await openSpace(spaces, "s");
    assert.ok((await stat(join(work, "note"))).isFile());
  });
});
