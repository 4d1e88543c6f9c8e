/** What a backup may hold, and what becomes of one that somebody has prepared. */

import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { packTar, type TarEntry, type TarHeader } from "modern-tar";
import { belongs } from "../../src/backup/contents.ts";
import { backUp, restore } from "../../src/backup/index.ts";
import { openSqliteLedger } from "../../src/ledger/index.ts";

const folder = mkdtempSync(join(realpathSync(tmpdir()), "backup-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;
const fresh = (name: string) => join(folder, `${++made}-${name}`);

async function newHome(): Promise<string> {
  const home = fresh("home");
  mkdirSync(home, { mode: 0o700 });
  const ledger = await openSqliteLedger({ path: join(home, "switchboard.db") });
  await ledger.putContact("ada", { name: "Ada" }, "ada");
  await ledger.close();
  return home;
}

function write(home: string, path: string, text = path): void {
  mkdirSync(join(home, path, ".."), { recursive: true });
  writeFileSync(join(home, path), text);
}

describe("a backup", () => {
  it("is the home again, but for what belongs to the moment or the machine", async () => {
    const home = await newHome();
    const kept = [
      "switchboard.toml",
      "prompt.md",
      "spaces/s/work/a b.txt",
      "spaces/s/work/tmp/x",
      "transcripts/s/p/t.jsonl",
    ];
    const left = ["token", "lock", "url", "running/s", "spaces/s/tmp/x", "spaces/s/claude/sessions/1.json"];
    for (const path of [...kept, ...left]) write(home, path);
    writeFileSync(join(home, "spaces/s/work/run"), "", { mode: 0o700 });
    symlinkSync("/etc/passwd", join(home, "spaces/s/work/link"));
    // Inside of the home itself, which it must not contain.
    const file = join(home, "spaces/s/work/backup.tgz");
    const { files } = await backUp({ home, file, version: "1" });
    assert.equal(lstatSync(file).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readdir(join(home, "spaces/s/work"))).filter((name) => name.includes("partial")),
      [],
    );
    await assert.rejects(backUp({ home, file, version: "1" }), { code: "file_exists" });

    const again = fresh("again");
    mkdirSync(again);
    const { files: restored } = await restore({ file, home: again });
    assert.equal(restored, files);
    for (const path of kept) assert.equal(readFileSync(join(again, path), "utf8"), path);
    for (const path of left)
      assert.equal(lstatSync(join(again, path), { throwIfNoEntry: false }), undefined, path);
    assert.equal(lstatSync(join(again, "spaces/s/work/run")).mode & 0o777, 0o700);
    assert.equal(lstatSync(join(again, "switchboard.db")).mode & 0o777, 0o600);
    assert.equal(readlinkSync(join(again, "spaces/s/work/link")), "/etc/passwd");
    const ledger = await openSqliteLedger({ path: join(again, "switchboard.db") });
    assert.equal((await ledger.chat("ada"))?.contact.name, "Ada");
    await ledger.close();
  });

  it("is of the moment that it was begun at, though the ledger is written to", async () => {
    const home = await newHome();
    const ledger = await openSqliteLedger({ path: join(home, "switchboard.db") });
    const file = fresh("backup");
    const backup = backUp({ home, file, version: "1" });
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => ledger.putContact(`chat ${n}`, { name: "x" }, "x")),
    );
    await backup;
    await ledger.close();
    const again = fresh("again");
    await restore({ file, home: again });
    const restored = await openSqliteLedger({ path: join(again, "switchboard.db") });
    assert.equal((await restored.chat("ada"))?.contact.name, "Ada");
    await restored.close();
  });

  it("needs a home with a ledger, and a folder to write to, and leaves nothing where there is none", async () => {
    const empty = fresh("empty");
    mkdirSync(empty);
    await assert.rejects(backUp({ home: empty, file: fresh("x"), version: "1" }), { code: "home_unusable" });
    const file = join(fresh("nowhere"), "x");
    await assert.rejects(backUp({ home: await newHome(), file, version: "1" }), { code: "storage_failed" });
  });

  it("names what does not belong into it", () => {
    for (const path of ["token", "switchboard.db-wal", "manifest.json", "spaces/s/tmp", "chats/ada"])
      assert.equal(belongs(path), false, path);
    for (const path of ["spaces/s/work/token", "spaces/token/work/lock", "tmp"])
      assert.ok(belongs(path), path);
  });
});

describe("a prepared backup", () => {
  const manifest = entry("manifest.json", '{"format":1,"version":"1","madeAt":"2026-01-01T00:00:00.000Z"}');
  const database = (): TarEntry => {
    const path = fresh("ours.db");
    const db = new DatabaseSync(path);
    db.exec("CREATE TABLE t (a)");
    db.close();
    return entry("switchboard.db", readFileSync(path));
  };

  function entry(name: string, body: string | Buffer, more: Partial<TarHeader> = {}): TarEntry {
    const data = new Uint8Array(Buffer.from(body));
    return { header: { name, size: data.length, ...more }, body: data };
  }
  const link = (name: string, linkname: string, type: "symlink" | "link" = "symlink") =>
    entry(name, "", { type, linkname });

  const hostile: Array<[what: string, entries: TarEntry[], message: RegExp, code?: string]> = [
    ["is empty", [], /it is empty/],
    ["says not what it is", [entry("a", "b")], /does not begin as a backup does/],
    ["says it in no JSON", [entry("manifest.json", "{")], /another format/],
    ["is of a later format", [entry("manifest.json", '{"format":2}')], /another format/],
    ["begins without end", [entry("manifest.json", "x".repeat(20_000))], /does not begin/],
    ["writes upwards", [manifest, entry("../evil", "x")], /"..\/evil", which has no place/],
    ["writes upwards further in", [manifest, entry("spaces/../../evil", "x")], /has no place/],
    ["writes to an absolute path", [manifest, entry("/tmp/evil", "x")], /has no place/],
    ["brings a token", [manifest, entry("token", "x")], /has no place/],
    ["brings a lock in a folder", [manifest, entry("lock/x", "x")], /has no place/],
    ["brings a log of the ledger", [manifest, entry("switchboard.db-wal", "x")], /has no place/],
    ["brings a second manifest", [manifest, manifest], /has no place/],
    ["writes by Windows' ways", [manifest, entry("spaces\\..\\evil", "x")], /has no place/],
    ["brings a hard link", [manifest, link("spaces/x", "/etc/passwd", "link")], /is a link/],
    [
      "brings a device",
      [manifest, entry("spaces/x", "", { type: "character-device" })],
      /is a character-device/,
    ],
    [
      "brings a file twice",
      [manifest, entry("spaces/x", "a"), entry("spaces/x", "b")],
      /holds "spaces\/x" twice/,
    ],
    [
      "writes through its own link",
      [manifest, link("spaces/x", "/tmp"), entry("spaces/x/evil", "x")],
      /holds "spaces\/x\/evil" twice/,
    ],
    ["has no ledger", [manifest, entry("spaces/x", "a")], /unable to open|no such file/, "any"],
    ["has another program's database", [manifest, database()], /ledger|Switchboard/, "corrupt"],
    [
      "has no database for one",
      [manifest, entry("switchboard.db", "x".repeat(5000))],
      /not a database|damaged/,
      "corrupt",
    ],
  ];
  for (const [what, entries, message, code = "invalid_backup"] of hostile) {
    it(`that ${what} is refused, and nothing of it stays`, async () => {
      const file = fresh("hostile.tgz");
      writeFileSync(file, gzipSync(await packTar(entries)));
      const home = join(fresh("target"), "home");
      mkdirSync(join(home, ".."));
      await assert.rejects(restore({ file, home }), (error: Error & { code?: string }) => {
        assert.match(error.message, message);
        if (code !== "any") assert.equal(error.code, code);
        return true;
      });
      assert.deepEqual(await readdir(join(home, "..")), []);
    });
  }

  it("that was cut off anywhere, or is none, is refused", async () => {
    const whole = fresh("whole.tgz");
    await backUp({ home: await newHome(), file: whole, version: "1" });
    const bytes = readFileSync(whole);
    const damaged = Buffer.from(bytes);
    const middle = Math.floor(bytes.length / 2);
    damaged.fill(0, middle, middle + 20);
    const broken = [0, 1, 10, middle, bytes.length - 1].map((length) => bytes.subarray(0, length));
    for (const part of [...broken, damaged, Buffer.from("no archive")]) {
      const file = fresh("part");
      writeFileSync(file, part);
      await assert.rejects(
        restore({ file, home: fresh("home") }),
        { code: "invalid_backup" },
        `${part.length} bytes`,
      );
    }
  });

  it("is not restored over anything, nor from nowhere", async () => {
    const home = await newHome();
    const file = fresh("backup");
    await backUp({ home, file, version: "1" });
    await assert.rejects(restore({ file, home }), { code: "home_unusable", message: /is not empty/ });
    await assert.rejects(restore({ file: fresh("nothing"), home: fresh("home") }), {
      code: "storage_failed",
    });
  });
});
