/** A tier says which model answers, what it is told and what it may do; a change of it keeps the conversation. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Step } from "../../src/offline/index.ts";
import { whyNoSandbox } from "../../src/os/index.ts";
import { history } from "../offline/history.ts";
import { toolResult, toolsIn } from "../support/model.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const tier = (name: string) => ({ contact: { tier: name } });
const call = (name: string, input: object): Step => ({ kind: "tool", name, input });

const reading = ["Glob", "Grep", "Read", "WebFetch", "WebSearch"];
const full = ["Bash", "Edit", "Glob", "Grep", "Read", "WebFetch", "WebSearch", "Write"];

/** What the tool gives when the model calls it in answer to a message of the chat. */
async function use(chatId: string, name: string, input: object, on = rig) {
  const text = `${name} ${JSON.stringify(input)}`;
  on.script(text, call(name, input));
  answerOf(await on.say(chatId, text));
  return toolResult(await on.lastRequest(chatId));
}

describe("an admin's Claude", () => {
  test("writes, reads and runs commands in its folder without being asked", async () => {
    await rig.say("admin", "Hello", tier("admin"));
    assert.deepEqual(toolsIn(await rig.lastRequest("admin")), full);
    const file = join(await rig.workFolder("admin"), "list.txt");
    assert.equal((await use("admin", "Write", { file_path: file, content: "milk\n" })).failed, false);
    assert.equal(readFileSync(file, "utf8"), "milk\n");
    assert.match((await use("admin", "Read", { file_path: file })).text, /milk/);
    const edit = { file_path: file, old_string: "milk", new_string: "bread" };
    assert.equal((await use("admin", "Edit", edit)).failed, false);
    assert.match((await use("admin", "Bash", { command: "cat list.txt" })).text, /bread/);
  });

  test("reads again what was too long for an answer, and nothing else of the CLI's own folder", async () => {
    const { text } = await use("admin", "Bash", { command: "seq 1 20000" });
    const [, saved = ""] = /Full output saved to: (\S+)/.exec(text) ?? assert.fail(text);
    assert.match((await use("admin", "Read", { file_path: saved, offset: 19_999 })).text, /20000/);
    const config = join(await rig.workFolder("admin"), "..", "claude", ".claude.json");
    assert.ok(existsSync(config));
    assert.match((await use("admin", "Read", { file_path: config })).text, /is outside of the folders/);
  });

  test("writes no file outside of it", async () => {
    for (const path of [join(rig.folder, "outside.txt"), join(rig.home, "switchboard.toml")]) {
      const { failed } = await use("admin", "Write", { file_path: path, content: "x" });
      assert.equal(failed, true);
      assert.equal(existsSync(path), false);
    }
  });
});

describe("a family member's Claude", () => {
  const secret = "nobody else may see this";

  test("reads in its folder", async () => {
    await rig.say("family", "Hello");
    assert.deepEqual(toolsIn(await rig.lastRequest("family")), reading);
    const folder = await rig.workFolder("family");
    writeFileSync(join(folder, "own.txt"), "a note of its own\n");
    assert.match(
      (await use("family", "Read", { file_path: join(folder, "own.txt") })).text,
      /a note of its own/,
    );
    assert.match((await use("family", "Glob", { pattern: "*.txt" })).text, /own\.txt/);
    assert.match(
      (await use("family", "Grep", { pattern: "note", output_mode: "content" })).text,
      /a note of its own/,
    );
  });

  test("reads nothing outside of it, by whatever path", async () => {
    await rig.say("neighbour", "Hello");
    const own = await rig.workFolder("family");
    const theirs = await rig.workFolder("neighbour");
    writeFileSync(join(theirs, "diary.txt"), secret);
    rig.file("outside.txt", secret);
    writeFileSync(join(rig.home, "token"), secret);
    symlinkSync(join(theirs, "diary.txt"), join(own, "link.txt"));
    symlinkSync(theirs, join(own, "folder"));
    const attempts: Array<[string, object]> = [
      ["Read", { file_path: "/etc/hostname" }],
      ["Read", { file_path: join(theirs, "diary.txt") }],
      ["Read", { file_path: join(rig.folder, "outside.txt") }],
      ["Read", { file_path: `${own}/../../../../outside.txt` }],
      ["Read", { file_path: join(own, "link.txt") }],
      ["Read", { file_path: join(own, "folder", "diary.txt") }],
      ["Read", { file_path: join(rig.home, "token") }],
      ["Grep", { pattern: "nobody", path: theirs, output_mode: "content" }],
      ["Grep", { pattern: "nobody", path: join(own, "folder"), output_mode: "content" }],
      ["Grep", { pattern: "nobody", path: rig.folder, output_mode: "content" }],
      ["Glob", { pattern: "**/diary.txt", path: rig.folder }],
      ["Glob", { pattern: `${theirs}/*` }],
    ];
    for (const [name, input] of attempts) {
      const { text } = await use("family", name, input);
      const what = `${name} ${JSON.stringify(input)} gave ${text}`;
      assert.ok(!text.includes(secret) && !text.includes("diary.txt\n"), what);
      if (name === "Read") assert.match(text, /is outside of the folders that this chat may read/, what);
    }
  });

  test("has no command line and writes no files, even if the model tries", async () => {
    const folder = await rig.workFolder("family");
    const file = join(folder, "made");
    assert.equal((await use("family", "Bash", { command: `touch '${file}'` })).failed, true);
    assert.equal((await use("family", "Write", { file_path: file, content: "x" })).failed, true);
    assert.equal(existsSync(file), false);
  });
});

test("a tier may do what the config says, no more and no less, and each denial is an event", async (t) => {
  const own = await startRig(t);
  const [photos, notes] = ["photos", "notes"].map((name) => join(own.folder, name));
  for (const folder of [photos, notes]) mkdirSync(String(folder));
  writeFileSync(join(String(photos), "cat.txt"), "a cat");
  await own.reopen(`[tiers.family]
    tools = ["Read", "Write", "Bash", "WebFetch"]
    read_folders = ["${photos}"]
    write_folders = ["${notes}"]
    hosts = ["example.org"]
    commands = { allow = ["echo *"], deny = ["echo secret"] }`);
  await own.say("chat", "Hello");
  assert.deepEqual(toolsIn(await own.lastRequest("chat")), ["Bash", "Read", "WebFetch", "Write"]);
  const told = () =>
    own.journal.of("chat", "notice").flatMap(({ code, text }) => (code === "tool_denied" ? [text] : []));
  const gives = async (name: string, input: object) => (await use("chat", name, input, own)).text;

  assert.match(await gives("Read", { file_path: join(String(photos), "cat.txt") }), /a cat/);
  assert.match(await gives("Bash", { command: "echo one && echo 'two; three'" }), /one\ntwo; three/);
  const note = join(String(notes), "note.txt");
  assert.match(await gives("Write", { file_path: note, content: "x" }), /created successfully/);
  assert.equal(readFileSync(note, "utf8"), "x");
  assert.deepEqual(told(), []);

  const denied: Array<[string, object, RegExp]> = [
    [
      "Write",
      { file_path: join(String(photos), "dog.txt"), content: "x" },
      /outside of the folders that this chat may write/,
    ],
    ["Bash", { command: "cat /etc/passwd" }, /Tier family may not run: cat \/etc\/passwd/],
    ["Bash", { command: "echo $HOME" }, /simple commands only/],
    ["Bash", { command: "echo secret" }, /Tier family may not run: echo secret/],
    ["WebFetch", { url: "http://127.0.0.1:1/", prompt: "x" }, /no host on the internet/],
    ["WebFetch", { url: "https://elsewhere.org/", prompt: "x" }, /may not reach elsewhere\.org/],
  ];
  for (const [name, input, reason] of denied) assert.match(await gives(name, input), reason);
  assert.equal(told().length, denied.length);
  for (const [at, [name, , reason]] of denied.entries()) {
    assert.match(told()[at] ?? "", reason);
    assert.ok(told()[at]?.startsWith(`${name} was denied: `));
  }
});

test("in a sandbox commands work in the session's folder and see nothing else of Switchboard", {
  skip: whyNoSandbox("/usr/bin:/bin") ?? false,
}, async (t) => {
  const own = await startRig(t);
  writeFileSync(join(own.folder, "outside.txt"), "outside");
  await own.reopen("[tiers.admin]\nsandbox = true");
  await own.say("chat", "Hello", tier("admin"));
  const folder = await own.workFolder("chat");
  const run = async (command: string) => (await use("chat", "Bash", { command }, own)).text;
  // Claude Code gives its sandbox up on some machines (2.1.330: "Failed to create bridge sockets"), and runs nothing then.
  if ((await run("true")).includes("failed to initialize")) {
    await own.switchboard.restart("chat");
    const again = await run("true");
    if (again.includes("failed to initialize")) return t.skip(again);
  }
  assert.match(await run("echo mine > list.txt && cat list.txt"), /mine/);
  assert.equal(readFileSync(join(folder, "list.txt"), "utf8"), "mine\n");
  assert.match(
    await run(`ls '${own.home}'; cat '${join(own.home, "switchboard.db")}' | wc -c`),
    /\b0\b|denied|No such file/,
  );
  await run(`echo changed > '${join(own.folder, "outside.txt")}'`);
  assert.equal(readFileSync(join(own.folder, "outside.txt"), "utf8"), "outside");
});

test("a bot's Claude has no tools, even if the model tries one", async () => {
  await rig.say("bot", "Hello", tier("bots"));
  assert.deepEqual(toolsIn(await rig.lastRequest("bot")), []);
  const file = join(await rig.workFolder("bot"), "own.txt");
  writeFileSync(file, "its own");
  assert.equal((await use("bot", "Read", { file_path: file })).failed, true);
});

test("unknown and unnamed contacts are refused, and nothing is started for them", async () => {
  for (const [chatId, contact] of [
    ["nobody", {}],
    ["spammer", { tier: "unknown" }],
    ["named", { name: "Somebody" }],
  ] as const) {
    await assert.rejects(rig.switchboard.receive(chatId, { text: "Hi", contact }), {
      code: "refused_contact",
    });
    assert.equal(rig.starts(chatId), 0);
  }
});

describe("a change keeps the conversation and holds from the next turn on", () => {
  const shownTexts = async (chatId: string) =>
    history((await rig.lastRequest(chatId)).body).flatMap(({ role, blocks }) =>
      role === "user" ? blocks.filter((block) => !block.startsWith("Contact facts")) : [],
    );

  test("of the contact's tier", async () => {
    await rig.say("promoted", "one");
    const sessionId = await rig.sessionId("promoted");
    await rig.switchboard.putContact("promoted", { tier: "admin" });
    await rig.say("promoted", "two");
    assert.deepEqual(toolsIn(await rig.lastRequest("promoted")), full);
    assert.equal((await rig.lastRequest("promoted")).body.model, "claude-opus-5-5");
    await rig.say("promoted", "three", tier("bots"));
    assert.deepEqual(toolsIn(await rig.lastRequest("promoted")), []);
    assert.deepEqual(await shownTexts("promoted"), ["one", "two", "three"]);
    assert.equal(await rig.sessionId("promoted"), sessionId);
  });

  test("of model and prompt in the config", async (t) => {
    const own = await startRig(t);
    await own.say("chat", "one");
    const sessionId = await own.sessionId("chat");
    const prompt = "You are a gardener.";
    await own.reopen(`[tiers.family]\nmodel = "opus"\nsystem_prompt = "${prompt}"`);
    await own.say("chat", "two");
    const { body } = await own.lastRequest("chat");
    assert.equal(body.model, "claude-opus-5-5");
    assert.ok(JSON.stringify(body.system).includes(prompt));
    assert.ok(!JSON.stringify(body.system).includes("personal assistant"));
    assert.deepEqual(
      history(body).map(({ role, blocks }) => [role, blocks.at(-1)]),
      [
        ["user", "one"],
        ["assistant", 'You said: "one". I remember no earlier messages.'],
        ["user", "two"],
      ],
    );
    assert.equal(await own.sessionId("chat"), sessionId);
  });

  test("to a tier that is refused: what waits is refused, and the conversation is there when it is let in again", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.script("Wait for me", { kind: "text", text: "Here I am", hold: promise });
    const running = await rig.tell("banned", "Wait for me", { route: 1 });
    await rig.requestWith("Wait for me");
    const waiting = await rig.tell("banned", "And me", { route: 2 });
    await rig.switchboard.putContact("banned", { tier: "unknown" });
    resolve();
    assert.equal(answerOf(await rig.ended(running)).text, "Here I am");
    const { status, error } = await rig.ended(waiting);
    assert.deepEqual([status, error?.code], ["refused", "refused_contact"]);
    await assert.rejects(rig.tell("banned", "Let me in"), { code: "refused_contact" });
    await rig.switchboard.putContact("banned", { tier: "family" });
    assert.match(await rig.ask("banned", "What did I say?"), /Wait for me/);
  });
});

test("in a group, whoever speaks with a lower tier is answered under that tier and joins nobody's turn", async () => {
  const contact = { tier: "admin", name: "Home", group: true };
  const ada = { contact, sender: { id: "1", name: "Ada" } };
  const stranger = { contact, sender: { id: "4", name: "Stranger", tier: "unknown" } };
  const robot = { contact, sender: { id: "2", name: "Robot", tier: "bots" } };
  const boss = { contact, sender: { id: "3", name: "Boss", tier: "admin" } };
  const go = join(rig.folder, "go");
  rig.script("Ada: Work", call("Bash", { command: `until [ -e '${go}' ]; do sleep 0.1; done` }));

  const first = await rig.tell("home", "Work", ada);
  await rig.journal.until("home", "tool", ({ state }) => state === "started");
  await assert.rejects(rig.tell("home", "stop", stranger), { code: "refused_contact" });
  const second = await rig.tell("home", "rm everything", robot);
  assert.equal(second.status, "queued");
  writeFileSync(go, "");
  assert.deepEqual(answerOf(await rig.ended(first)).answers, [first.id]);
  assert.deepEqual(answerOf(await rig.ended(second)).answers, [second.id]);
  const low = await rig.lastRequest("home");
  assert.deepEqual([toolsIn(low), low.body.model], [[], "claude-haiku-5-5"]);

  await rig.say("home", "Hello", boss);
  const high = await rig.lastRequest("home");
  assert.deepEqual([toolsIn(high), high.body.model], [full, "claude-opus-5-5"]);
  assert.deepEqual(
    history(high.body)
      .flatMap(({ role, blocks }) => (role === "user" ? blocks.slice(-1) : []))
      .filter((text) => /^\w+: /.test(text)),
    ["Ada: Work", "Robot: rm everything", "Boss: Hello"],
  );
});
