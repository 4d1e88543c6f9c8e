/** The launcher in a folder of its own, with an npm that installs a Node which only says what it was asked. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isAlive } from "./rig.ts";

describe("the launcher", () => {
  let folder: string;
  let root: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "switchboard launcher-"));
    root = join(folder, "it's a root");
    mkdirSync(join(root, "src/cli"), { recursive: true });
    mkdirSync(join(folder, "bin"));
    copyFileSync(join(import.meta.dirname, "../../switchboard"), join(root, "switchboard"));
    writeFileSync(join(root, "package-lock.json"), "{}");
    script(join(folder, "bin/node"), "case $1 in --version) echo v20.0.0;; *) exit 0;; esac");
    npm(`echo "npm says this"
      mkdir -p node_modules/.bin
      cp "${folder}/installed-node" node_modules/.bin/node
      touch node_modules/.package-lock.json`);
    // Each argument on a line of its own, in brackets.
    script(join(folder, "installed-node"), 'shift; printf "[%s]\\n" "$PWD" "$@"');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function script(file: string, body: string): void {
    writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  const npm = (body: string) => script(join(folder, "bin/npm"), `echo "$*" >> "${folder}/npm-runs"\n${body}`);
  const npmRuns = () => {
    const file = join(folder, "npm-runs");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  };

  /** The tools of a plain system, without its node and npm. */
  const system = ["/usr/bin", "/bin"].join(delimiter);
  function launch(args: string[], options: { as?: string; path?: string; cwd?: string } = {}): Launched {
    const {
      as = join(root, "switchboard"),
      path = `${join(folder, "bin")}${delimiter}${system}`,
      cwd = folder,
    } = options;
    return collect(spawn(as, args, { cwd, env: { PATH: path } }));
  }
  type Launched = Promise<{ code: number | null; stdout: string; stderr: string }>;
  async function collect(child: ChildProcess): Launched {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      stderr += chunk;
    });
    const [code] = await once(child, "close");
    return { code, stdout, stderr };
  }

  it("installs what is missing, shows it apart from the answer, and does so once", async () => {
    const first = await launch(["sessions", "--json"]);
    assert.deepEqual([first.code, first.stdout], [0, `[${folder}]\n[sessions]\n[--json]\n`]);
    assert.match(first.stderr, /installing.*\nnpm says this\n/);
    assert.deepEqual(npmRuns(), ["ci --include=dev --no-audit --no-fund --loglevel=error"]);
    const second = await launch(["sessions"]);
    assert.deepEqual([second.code, second.stderr], [0, ""]);
    assert.equal(npmRuns().length, 1);
    assert.equal(existsSync(join(root, ".installing")), false);
  });

  it("passes the arguments on as they are", async () => {
    await launch([]);
    const args = [
      "",
      " ",
      "two words",
      "it's",
      'say "hi"',
      "$HOME `id` \\n *",
      "--",
      "-x",
      "line\nline",
      "ä😀",
    ];
    const { stdout } = await launch(args);
    assert.equal(stdout, `[${folder}]\n${args.map((arg) => `[${arg}]\n`).join("")}`);
  });

  it("works by links from anywhere, in the caller's folder", async () => {
    const links = join(folder, "links");
    mkdirSync(links);
    symlinkSync(join("..", "it's a root", "switchboard"), join(links, "relative"));
    symlinkSync(join(links, "relative"), join(links, "sb"));
    const { code, stdout } = await launch(["x"], { as: join(links, "sb"), cwd: links });
    assert.deepEqual([code, stdout], [0, `[${links}]\n[x]\n`]);
  });

  it("is replaced by what it runs: its signals and its exit code are its own", async () => {
    script(join(folder, "installed-node"), 'echo "$$"; exec sleep 60');
    const child = spawn(join(root, "switchboard"), [], { env: { PATH: `${join(folder, "bin")}:${system}` } });
    const [said] = await once(child.stdout, "data");
    assert.equal(Number(String(said)), child.pid);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "close"), [null, "SIGTERM"]);
    script(join(root, "node_modules/.bin/node"), "exit 42");
    assert.equal((await launch([])).code, 42);
  });

  it("installs again when the lock file is newer than what is installed, also if it is from the future", async () => {
    await launch([]);
    const later = new Date(Date.now() + 86_400_000);
    utimesSync(join(root, "package-lock.json"), later, later);
    for (const _ of [1, 2]) {
      assert.equal((await launch([])).code, 0);
      assert.equal(npmRuns().length, 2);
    }
  });

  it("installs once when two are started at once; the other waits for it", async () => {
    npm(`echo running > "${folder}/running"
      until [ -e "${folder}/go" ]; do sleep 0.1; done
      mkdir -p node_modules/.bin
      cp "${folder}/installed-node" node_modules/.bin/node
      touch node_modules/.package-lock.json`);
    const first = launch(["one"]);
    while (!existsSync(join(folder, "running"))) await new Promise((resolve) => setTimeout(resolve, 20));
    const waiting = spawn(join(root, "switchboard"), ["two"], {
      cwd: folder,
      env: { PATH: `${join(folder, "bin")}:${system}` },
    });
    const second = collect(waiting);
    const [said] = await once(waiting.stderr, "data");
    assert.match(String(said), /another installation is under way/);
    writeFileSync(join(folder, "go"), "");
    const results = await Promise.all([first, second]);
    assert.deepEqual(
      results.map(({ code }) => code),
      [0, 0],
    );
    assert.deepEqual(
      results.map(({ stdout }) => stdout.split("\n")[1]),
      ["[one]", "[two]"],
    );
    assert.equal(npmRuns().length, 1);
  });

  it("takes over from an installation that was killed", async () => {
    const dead = spawn("true");
    await once(dead, "close");
    assert.ok(dead.pid !== undefined && !isAlive(dead.pid));
    symlinkSync(String(dead.pid), join(root, ".installing"));
    assert.equal((await launch([])).code, 0);
    assert.equal(npmRuns().length, 1);
  });

  it("says what is wrong when it cannot install, and runs nothing", async () => {
    npm("echo 'npm error EACCES' >&2; exit 1");
    const failed = await launch(["x"]);
    assert.deepEqual([failed.code, failed.stdout], [1, ""]);
    assert.match(failed.stderr, /npm error EACCES\nswitchboard: npm could not install/);
    assert.equal(existsSync(join(root, ".installing")), false);

    npm("mkdir -p node_modules; touch node_modules/.package-lock.json");
    const incomplete = await launch(["x"]);
    assert.deepEqual([incomplete.code, incomplete.stdout], [1, ""]);
    assert.match(incomplete.stderr, /ignore-scripts/);

    script(join(folder, "bin/node"), "case $1 in --version) echo v18.0.0;; *) exit 1;; esac");
    const old = await launch(["x"]);
    assert.equal(old.code, 1);
    assert.match(old.stderr, /v18\.0\.0: get Node 20/);

    const tools = join(folder, "tools");
    mkdirSync(tools);
    for (const tool of ["dirname", "find", "ln", "readlink", "rm", "sh", "touch"]) {
      const found = [`/usr/bin/${tool}`, `/bin/${tool}`].find((file) => existsSync(file));
      symlinkSync(found ?? tool, join(tools, tool));
    }
    const none = await launch(["x"], { path: tools });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no node and npm.*nodejs\.org/);
  });
});
