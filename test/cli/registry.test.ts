/** `export` and `import` as they are typed: files in and out, the other host's conversations, and errors on one line. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Daemon, newHome, type RunOptions, run, startDaemon } from "./rig.ts";

describe("the registry on the command line", () => {
  const { home, remove } = newHome();
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
    const { code, stdout, stderr } = await cli(["import", file("in.json", { ann, "b/ü": { ...ann, x: 1 } })]);
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

  it("names the line and the key of what it does not understand, and the way out", async () => {
    const foreign = file("foreign.json", JSON.stringify({ c: { ...ann, tier: "wife" } }, null, 2));
    const refused = await cli(["import", foreign]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^switchboard: line 2: "c"\.tier: no such tier[^\n]*--map-tier[^\n]*\n$/);
    const { code } = await cli(["import", foreign, "--map-tier", "wife=partner", "boss=admin"]);
    assert.equal(code, 0);
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
