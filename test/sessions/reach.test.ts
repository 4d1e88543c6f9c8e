import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { reachOf } from "../../src/sessions/reach.ts";

describe("what a call reaches for", () => {
  let root: string;
  let work: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), "switchboard-reach-")));
    work = join(root, "work");
    await mkdir(join(work, "sub"), { recursive: true });
    await mkdir(join(root, "other"));
    await writeFile(join(root, "other", "secret"), "");
    await symlink(join(root, "other"), join(work, "away"));
    await symlink(join(root, "other", "secret"), join(work, "file"));
    await symlink(join(root, "other", "none"), join(work, "dangling"));
    await symlink("loop", join(work, "loop"));
    await symlink("sub", join(work, "within"));
  });
  after(() => rm(root, { recursive: true }));

  const paths = async (name: string, input: unknown) => {
    const reach = await reachOf({ name, input }, work);
    return reach.kind === "files" ? reach.paths.map((path) => path.replace(root, "")) : reach.kind;
  };

  const cases: Array<[name: string, input: Record<string, unknown>, reach: string[] | "unclear"]> = [
    ["Read", { file_path: "a" }, ["/work/a"]],
    ["Read", { file_path: "./sub/../a" }, ["/work/a"]],
    ["Read", { file_path: "~/a" }, ["/work/a"]],
    ["Read", { file_path: "../other/secret" }, ["/other/secret"]],
    ["Read", { file_path: "away/secret" }, ["/other/secret"]],
    ["Read", { file_path: "file" }, ["/other/secret"]],
    ["Read", { file_path: "within/new/file" }, ["/work/sub/new/file"]],
    ["Write", { file_path: "away/new/file", content: "" }, ["/other/new/file"]],
    ["Write", { file_path: "dangling", content: "" }, "unclear"],
    ["Write", { file_path: "dangling/x", content: "" }, "unclear"],
    ["Edit", { file_path: "loop" }, "unclear"],
    ["Read", { file_path: "~root/x" }, "unclear"],
    ["Read", { file_path: "a\0b" }, "unclear"],
    ["Read", { file_path: "" }, "unclear"],
    ["Read", { file_path: 5 }, "unclear"],
    ["Read", {}, "unclear"],
    ["Glob", { pattern: "**/*.txt" }, ["/work"]],
    ["Glob", { pattern: "*", path: "away" }, ["/other"]],
    ["Glob", { pattern: "/etc/*" }, ["/work", "/etc"]],
    ["Glob", { pattern: "/etc/pass*" }, ["/work", "/etc"]],
    ["Glob", { pattern: "/etc/passwd" }, ["/work", "/etc/passwd"]],
    ["Glob", { pattern: "~/x/*" }, ["/work", "/work/x"]],
    ["Glob", { pattern: "../*" }, "unclear"],
    ["Glob", { pattern: "sub/{..,x}/*" }, "unclear"],
    ["Glob", { pattern: "{/etc/*,a}" }, "unclear"],
    ["Grep", { pattern: "x" }, ["/work"]],
    ["Grep", { pattern: "x", path: "file" }, ["/other/secret"]],
    ["Task", {}, "unclear"],
  ];
  for (const [name, input, expected] of cases)
    it(`${name} ${JSON.stringify(input)}: ${expected}`, async () => {
      assert.deepEqual(await paths(name, input), expected);
    });

  it("of a command is the command, unless it asks to be run outside of the sandbox", async () => {
    assert.deepEqual(await reachOf({ name: "Bash", input: { command: "ls" } }, work), {
      kind: "command",
      command: "ls",
    });
    const input = { command: "ls", dangerouslyDisableSandbox: true };
    assert.equal((await reachOf({ name: "Bash", input }, work)).kind, "unclear");
  });

  const addresses: Array<[url: string, name: string, address: string]> = [
    ["http://127.0.0.1:7777/v1/host", "127.0.0.1", "127.0.0.1"],
    ["http://0x7f.1/", "127.0.0.1", "127.0.0.1"],
    ["http://2130706433/", "127.0.0.1", "127.0.0.1"],
    ["https://[::ffff:127.0.0.1]/", "::ffff:7f00:1", "::ffff:127.0.0.1"],
  ];
  for (const [url, name, address] of addresses)
    it(`of ${url} is the host that it means`, async () => {
      const reach = await reachOf({ name: "WebFetch", input: { url } }, work);
      assert.ok(reach.kind === "host");
      assert.equal(reach.name, name);
      assert.ok([name, address].includes(reach.addresses[0] ?? ""), String(reach.addresses));
    });

  for (const url of ["file:///etc/passwd", "ftp://a.org/", "a.org", "", "http://user@a.org/", "javascript:1"])
    it(`of ${url || "nothing"} nobody can say`, async () => {
      assert.equal((await reachOf({ name: "WebFetch", input: { url } }, work)).kind, "unclear");
    });

  it("of a search is its domains", async () => {
    const reach = await reachOf(
      { name: "WebSearch", input: { query: "x", allowed_domains: ["a.org"] } },
      work,
    );
    assert.deepEqual(reach, { kind: "search", domains: ["a.org"] });
    assert.deepEqual(await reachOf({ name: "WebSearch", input: { query: "x" } }, work), {
      kind: "search",
      domains: null,
    });
  });
});
