import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { serve, token } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";
import { calmHome, type Daemon, type RunOptions, run, startDaemon } from "./rig.ts";

describe("the command line", () => {
  const { home, remove } = calmHome();
  let daemon: Daemon;
  before(async () => {
    daemon = await startDaemon(home);
  });
  after(async () => {
    await daemon?.end("SIGTERM");
    remove();
  });

  const cli = (args: string[], options?: RunOptions) => run(["--home", home, ...args], options);
  const json = async (...args: string[]) => JSON.parse((await cli(["--json", ...args])).stdout);

  it("sends to a chat that is named with it, and prints the answer", async () => {
    const { code, stdout, stderr } = await cli([
      "send",
      "alice",
      "My name is Alice",
      "--tier",
      "family",
      "--wait",
    ]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^You said: "My name is Alice"/);
    assert.match((await cli(["send", "alice", "What is my name?", "--wait"])).stdout, /Alice/);
  });

  it("says how to name a chat that nobody has named, and that it is refused", async () => {
    for (const command of [
      ["send", "stranger", "Hello"],
      ["send", "stranger", "Hello", "--wait"],
      ["chat", "stranger"],
    ]) {
      const { code, stdout, stderr } = await cli(command, { input: "Hello\n" });
      assert.deepEqual([code, stdout], [6, ""]);
      assert.match(stderr, /^switchboard: [^\n]*--tier family --name[^\n]*\n$/);
    }
  });

  it("takes any chat id and any text as they are", async () => {
    const id = `../../etc/ä"'$(x) %2F😀`;
    const text = `--looks like an option" 'and' $HOME \\ %s\nsecond line`;
    const sent = await json("send", id, "--tier", "bots", "--wait", "--", text);
    assert.deepEqual([sent.chatId, sent.text, sent.status], [id, text, "answered"]);
    assert.equal((await json("show", id)).chatId, id);
  });

  it("reads the text from stdin, without the end of its last line", async () => {
    const { stdout } = await cli(["send", "alice", "-", "--json"], { input: "one\ntwo\n" });
    assert.equal(JSON.parse(stdout).text, "one\ntwo");
    const { code, stderr } = await cli(["send", "alice", "-"], { input: Buffer.from([0xff]) });
    assert.equal(code, 2);
    assert.match(stderr, /UTF-8/);
  });

  it("is the same message when its id is the same, and refuses another text under it", async () => {
    const first = await json("send", "alice", "Hello", "--id", "m1", "--wait");
    const again = await json("send", "alice", "Hello", "--id", "m1", "--wait");
    assert.equal(again.id, first.id);
    const other = await cli(["send", "alice", "Bye", "--id", "m1", "--json"]);
    assert.equal(other.code, 7);
    assert.equal(JSON.parse(other.stdout).error.code, "conflict");
  });

  it("talks from a pipe: each line a message, each answer before the next", async () => {
    const input = "First line\n\nWhat did I just say?\n";
    const { code, stdout, stderr } = await cli(["chat", "piper", "--tier", "bots"], { input });
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^You said: "First line"[^\n]*\n[^\n]*First line[^\n]*\n$/);
  });

  it("talks to programs in JSON lines, up to the message's end", async () => {
    const { stdout } = await cli(["chat", "piper", "--tier", "bots", "--json"], { input: "Hello\n" });
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const ends = events.filter(({ type, message }) => type === "message" && message.status === "answered");
    assert.equal(ends.length, 1);
    const [reply] = events.filter(({ type }) => type === "reply");
    const pieces = events.filter(({ type }) => type === "text").map(({ text }) => text);
    assert.equal(reply.reply.text, pieces.join("") || reply.reply.text);
  });

  it("lists the chats, and shows one", async () => {
    const { host, overview } = await json("status");
    assert.equal(host.state, "running");
    const { stdout } = await cli(["status"]);
    assert.match(stdout, new RegExp(`^daemon: +running, .* process ${host.pid}, .*\n`));
    assert.match(stdout, new RegExp(`^chats: +${overview.chats.total} \\(`, "m"));
    assert.match(stdout, /^waiting: +nothing$/m);
    assert.match(
      stdout,
      new RegExp(
        `^today: +${overview.today.turns} turns; messages: ${overview.today.answered} answered.*; half within [\\d.]+ s`,
        "m",
      ),
    );
    assert.match(stdout, /^cost today: +\d+\.\d{4} USD/m);

    const { chats, next } = await json("sessions");
    assert.ok(chats.some(({ chatId }: { chatId: string }) => chatId === "alice"));
    assert.equal(next, null);
    assert.equal((await json("sessions", "--limit", "1")).chats.length, 1);
    assert.match((await cli(["sessions"])).stdout, /^CHAT +NAME +TIER +STATE +OPEN +MEMORY +LAST MESSAGE\n/);
    const shown = await cli(["show", "alice"]);
    assert.equal(shown.code, 0);
    assert.match(shown.stdout, /^chat: +alice\n/);
    assert.match(shown.stdout, /^tier: +family$/m);
  });

  it("closes, wakes, restarts, resets and undoes, and says what it did", async () => {
    await cli(["send", "actor", "A secret", "--tier", "bots", "--wait"]);
    assert.equal((await json("close", "actor")).did, "closed");
    assert.equal((await json("close", "actor")).did, "nothing");
    assert.match((await cli(["wake", "actor"])).stdout, /^woken\n$/);
    assert.equal((await json("wake", "actor")).did, "nothing");
    assert.equal((await json("restart", "actor")).did, "restarted");
    assert.equal((await json("stop", "actor")).did, "nothing");
    assert.equal((await json("reset", "actor")).did, "reset");
    assert.doesNotMatch((await cli(["send", "actor", "What did I say?", "--wait"])).stdout, /A secret/);
    assert.equal((await json("undo-reset", "actor")).did, "undone");
    assert.match((await cli(["send", "actor", "What did I say?", "--wait"])).stdout, /A secret/);
    assert.match((await cli(["stop", "actor"])).stdout, /nothing to do/);
  });

  it("takes an empty variable as one that is not there", async () => {
    const { code, stderr } = await run(["sessions", "--home", home], { env: { SWITCHBOARD_PORT: "" } });
    assert.equal(code, 0, stderr);
  });

  it("has one line and an exit code of its own for each way to fail", async () => {
    const failures: Array<[number, RegExp, string[]]> = [
      [5, /ghost/, ["show", "ghost"]],
      [5, /ghost/, ["stop", "ghost"]],
      [5, /ghost/, ["wake", "ghost"]],
      [5, /ghost/, ["retry", "ghost"]],
      [2, /--queue-mode/, ["send", "alice", "Hello", "--queue-mode", "sometimes"]],
      [4, /token/, ["sessions", "--token", "wrong"]],
      [3, /switchboard start/, ["sessions", "--url", "http://127.0.0.1:9"]],
      [3, /switchboard start/, ["send", "alice", "Hello", "--port", "9"]],
      [2, /missing required argument 'text'/, ["send", "alice"]],
      [2, /unknown option/, ["send", "alice", "Hello", "--colour"]],
      [2, /unknown command/, ["sned"]],
      [2, /--port/, ["sessions", "--port", "65536"]],
      [2, /--wait/, ["send", "alice", "Hello", "--wait", "soon"]],
      [2, /--url/, ["sessions", "--url", "nonsense"]],
      [2, /CHAT/, ["show", ""]],
      [2, /CHAT/, ["show", ".."]],
      [2, /chatId/, ["show", "x".repeat(300)]],
      [2, /text/, ["send", "alice", ""]],
      [2, /tier/, ["send", "alice", "Hello", "--tier", "boss"]],
      [2, /state/, ["sessions", "--state", "happy"]],
    ];
    for (const [expected, said, args] of failures) {
      const { code, stdout, stderr } = await cli(args);
      assert.deepEqual([args, code, stdout], [args, expected, ""]);
      assert.match(stderr, /^switchboard: [^\n]+\n$/);
      assert.match(stderr, said);
    }
    const { stdout } = await cli(["show", "ghost", "--json"]);
    assert.equal(JSON.parse(stdout).error.code, "not_found");
  });

  it("says when there was no answer in time; the message goes on", async () => {
    const switchboard = new MemorySwitchboard();
    const face = await serve(switchboard);
    try {
      const at = ["--url", face.url, "--token", token, "--json"];
      const { code, stdout, stderr } = await cli(["send", "late", "Hello", "--wait", "1", ...at]);
      const message = JSON.parse(stdout);
      assert.deepEqual([code, message.status], [8, "queued"]);
      assert.match(stderr, /no answer yet/);
      switchboard.answer(message.id, "Hi");
      const again = await cli(["send", "late", "Hello", "--id", message.externalId, "--wait", ...at]);
      assert.equal(JSON.parse(again.stdout).reply.text, "Hi");
    } finally {
      await face.end();
    }
  });

  it("says above the chats what ails the model's API, to people alone", async () => {
    const switchboard = new MemorySwitchboard();
    const since = new Date().toISOString();
    switchboard.host.trouble = { kind: "billing", since, until: since, message: "credit is too low" };
    await switchboard.receive("alice", { text: "Hello" });
    const face = await serve(switchboard);
    try {
      const at = ["--url", face.url, "--token", token];
      const { stdout } = await cli(["sessions", ...at]);
      assert.match(stdout, /^The model's API has refused for want of payment .*\(credit is too low\)\nCHAT /);
      assert.doesNotMatch((await cli(["sessions", "--json", ...at])).stdout, /credit/);
    } finally {
      await face.end();
    }
  });

  it("keeps its colours to itself where nobody can see them, unless they are asked for", async () => {
    for (const args of [["sessions"], ["show", "alice"], ["log", "alice"], ["--help"], ["show", "ghost"]]) {
      const { stdout, stderr } = await cli(args);
      assert.doesNotMatch(stdout + stderr, /\x1b/);
    }
    const env = { FORCE_COLOR: "1" };
    assert.match((await cli(["sessions"], { env })).stdout, /\x1b/);
    assert.match((await cli(["show", "ghost"], { env })).stderr, /^\x1b\[31mswitchboard:\x1b\[39m no/);
    assert.doesNotMatch((await cli(["sessions", "--json"], { env })).stdout, /\x1b/);
  });
});
