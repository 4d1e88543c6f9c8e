/** `export` and `import` as they are typed: files in and out, the other host's conversations, and errors on one line. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ImportView } from "../../src/views.ts";
import { eventually } from "../support/eventually.ts";
import { calmHome, type Daemon, newHome, type RunOptions, run, start, startDaemon } from "./rig.ts";

describe("the registry on the command line", () => {
  const { home, remove } = calmHome();
  const folder = dirname(home);
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon(home);
  });
  after(async () => {
    await daemon?.end("SIGTERM");
    remove();
  });

  const cli = (args: string[], options?: RunOptions) => run(["--home", home, ...args], options);
  const file = (name: string, content: object | string) => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const ann = { session_name: "ann", contact_name: "Ann", tier: "partner", session_id: "abc-123-def" };

  it("takes contacts over and says what became of them", async () => {
    const { code, stdout, stderr } = await cli([
      "import",
      file("in.json", { ann, "b/ü": { ...ann, session_id: "def-456", x: 1 } }),
    ]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^2 chats new, 0 changed, 0 as they were\n0 conversations/);
    assert.match(stdout, /2 begin anew.*: ann, b\/ü\n/);
    assert.match(stdout, /1 have another session name: b\/ü \(ann → ann-2\)\n/);
    assert.match((await cli(["sessions"])).stdout, /^ann +Ann +partner/m);
  });

  it("writes them to a file of its own mode, which the same command takes again", async () => {
    const path = join(folder, "out.json");
    writeFileSync(path, "an earlier export");
    const { code, stdout } = await cli(["export", path]);
    assert.deepEqual([code, stdout], [0, `exported to ${path}\n`]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")).ann.session_id, "abc-123-def");
    const again = JSON.parse((await cli(["import", "--json", path])).stdout);
    assert.deepEqual([again.new, again.unchanged], [0, 2]);
    assert.equal((await cli(["export"])).stdout, readFileSync(path, "utf8"));
    const piped = await cli(["import", "-"], { input: readFileSync(path) });
    assert.match(piped.stdout, /2 as they were/);
  });

  it("leaves an earlier export alone when a new one cannot be written or had", async () => {
    const { code, stderr } = await cli(["export", join(folder, "no", "such", "folder.json")]);
    assert.equal(code, 1);
    assert.match(stderr, /^switchboard: .*folder\.json: ENOENT[^\n]*\n$/);
    const path = file("kept.json", "an earlier export");
    assert.equal((await run(["--url", "http://127.0.0.1:9", "export", path])).code, 3);
    assert.equal(readFileSync(path, "utf8"), "an earlier export");
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith("kept")),
      ["kept.json"],
    );
  });

  it("writes what the file leads to, and makes no file of what is none", async () => {
    const goal = file("goal.json", "an earlier export");
    const links = { "link.json": goal, "early.json": join(folder, "not-yet.json") };
    for (const [name, to] of Object.entries(links)) {
      symlinkSync(to, join(folder, name));
      assert.equal((await cli(["export", join(folder, name)])).code, 0);
      assert.equal(readlinkSync(join(folder, name)), to);
      assert.ok("ann" in JSON.parse(readFileSync(to, "utf8")));
    }
    const pipe = join(folder, "pipe");
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    assert.equal((await cli(["export", pipe])).code, 0);
    assert.ok(lstatSync(pipe).isFIFO());
    assert.ok("ann" in JSON.parse(readFileSync(reader, "utf8")));
    closeSync(reader);
    const loop = join(folder, "loop");
    symlinkSync(loop, loop);
    assert.match((await cli(["export", loop])).stderr, /ELOOP/);
    assert.match((await cli(["export", folder])).stderr, /EISDIR/);
  });

  it("names the line and the key of what it does not understand, and the way out", async () => {
    const foreign = file(
      "foreign.json",
      JSON.stringify({ c: { ...ann, session_id: "c", tier: "wife" } }, null, 2),
    );
    const refused = await cli(["import", foreign]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^switchboard: line 2: "c"\.tier: no such tier[^\n]*--map-tier[^\n]*\n$/);
    const pairs = ["--map-tier", "wife=partner", "--map-tier", "boss=admin"];
    assert.equal((await cli(["import", foreign, ...pairs])).code, 0);
    const more = file("more.json", {
      c2: { ...ann, session_id: "c2", tier: "boss" },
      c3: { ...ann, session_id: "c3", tier: "wife" },
    });
    assert.equal((await cli(["import", ...pairs, more])).code, 0);
    assert.match((await cli(["sessions"])).stdout, /^c2 .* admin /m);
    const cut = await cli(["import", file("cut.json", '{\n  "d": {')]);
    assert.equal(cut.code, 2);
    assert.match(cut.stderr, /not valid JSON.*line 2/);
    assert.match((await cli(["import", join(folder, "nothing.json")])).stderr, /cannot be read/);
    assert.equal((await cli(["show", "d"])).code, 5);
  });

  it("brings the conversations that lie where other hosts keep them, unless it is told not to", async () => {
    const sessionId = "11111111-2222-4333-8444-555555555555";
    const line = { type: "user", uuid: sessionId, message: { role: "user", content: "I like tea" } };
    const theirs = join(folder, "theirs");
    mkdirSync(join(theirs, ".claude", "projects", "p"), { recursive: true });
    writeFileSync(join(theirs, ".claude", "projects", "p", `${sessionId}.jsonl`), JSON.stringify(line));
    const registry = (chatId: string) =>
      file(`${chatId}.json`, { [chatId]: { ...ann, session_id: sessionId } });
    const env = { HOME: theirs };
    const conversations = async (args: string[], options?: RunOptions) =>
      JSON.parse((await cli(["--json", "import", ...args], options)).stdout).conversations;
    assert.equal(await conversations([registry("e")], { env }), 1);
    assert.equal(await conversations([registry("f"), "--no-transcripts"], { env }), 0);
    assert.equal(await conversations([registry("g")]), 0);
    assert.equal(await conversations([registry("h"), "--transcripts", join(theirs, ".claude")]), 1);
    const nowhere = await cli(["import", registry("i"), "--transcripts", join(folder, "nowhere")]);
    assert.equal(nowhere.code, 2);
    assert.match(nowhere.stderr, /transcripts: no Claude config folder/);
    assert.equal((await cli(["show", "i"])).code, 5);
  });
});

describe("the registry of a daemon elsewhere", () => {
  /** A daemon whose answer is `body`, and more to come unless it `ends`; what it was asked; `ask` has it asked. */
  async function serving(body: string, ends: boolean) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(200, { "content-type": "application/json" });
      request.resume().on("end", () => void (ends ? response.end(body) : response.write(body)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const close = () => {
      server.closeAllConnections();
      server.close();
    };
    return { asked, url, close };
  }
  const { home, remove } = newHome();
  const folder = dirname(home);
  after(remove);

  it("leaves nothing half written behind when it is ended by a signal", async () => {
    const daemon = await serving('{"ann": {', false);
    try {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        const exporting = start(["--url", daemon.url, "export", join(folder, "out.json")]);
        const names = () => readdirSync(folder);
        await eventually("it has begun", () => names().some((name) => name.startsWith("out.json.")));
        assert.equal(await exporting.end(signal), null);
        assert.deepEqual(names(), []);
      }
    } finally {
      daemon.close();
    }
  });

  it("is not told of our Claude config folder, which it cannot see, unless we name one", async () => {
    const imported: ImportView = {
      new: 1,
      changed: 2,
      unchanged: 0,
      conversations: 0,
      kept: ["ann", "bob"],
      unproven: [],
      renamed: [],
    };
    const daemon = await serving(JSON.stringify(imported), true);
    try {
      mkdirSync(join(folder, ".claude", "projects"), { recursive: true });
      const bring = (...args: string[]) =>
        run(["--url", daemon.url, "import", "-", ...args], { input: "{}", env: { HOME: folder } });
      assert.match((await bring()).stdout, /^2 kept the conversation that they have here: ann, bob$/m);
      await bring("--transcripts", "/theirs");
      assert.deepEqual(daemon.asked, ["/v1/registry?", "/v1/registry?transcripts=%2Ftheirs"]);
    } finally {
      daemon.close();
    }
  });
});
