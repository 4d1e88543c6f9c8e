/**
 * People who come from another host bring their contacts and their conversations. The other host is the bare Agent SDK
 * as such hosts use it: the real Claude Code process with a config folder of its own, in a working directory of its own.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { query } from "@anthropic-ai/claude-agent-sdk";
import { history } from "../offline/history.ts";
import { startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const elsewhere = join(rig.folder, "elsewhere");
const configFolder = join(elsewhere, ".claude");

/** A turn of the other host; gives the session's id. */
async function saysElsewhere(name: string, text: string): Promise<string> {
  const cwd = join(elsewhere, "transcripts", name);
  mkdirSync(cwd, { recursive: true });
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: elsewhere,
    CLAUDE_CONFIG_DIR: configFolder,
    ANTHROPIC_BASE_URL: rig.model.url,
    ANTHROPIC_API_KEY: "sk-elsewhere",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  };
  let sessionId = "";
  for await (const message of query({ prompt: text, options: { cwd, env, settingSources: [] } })) {
    if (message.type === "result") sessionId = message.session_id;
  }
  return sessionId;
}

function entry(name: string, sessionId: string | null, more: object = {}): object {
  return { session_name: name, contact_name: name, tier: "family", session_id: sessionId, ...more };
}

async function exported(): Promise<string> {
  let text = "";
  for await (const piece of rig.switchboard.exportRegistry()) text += piece;
  return text;
}

/** The id of the space that the chat's link leads to. */
async function spaceOf(chatId: string): Promise<string | undefined> {
  await rig.ask(chatId, "hello");
  return (await rig.workFolder(chatId)).split("/").at(-2);
}

const spaces = () => readdirSync(join(rig.home, "spaces"));

test("a chat goes on with the conversation that it had elsewhere, and leaves the one there as it was", async () => {
  const sessionId = await saysElsewhere("ada", "I like tea");
  const folder = join(configFolder, "projects");
  const project = join(folder, readdirSync(folder)[0] ?? assert.fail("no transcript"));
  const before = readFileSync(join(project, `${sessionId}.jsonl`), "utf8");
  // What belongs to a session lies beside its transcript; a link there may lead anywhere.
  mkdirSync(join(project, sessionId, "subagents"), { recursive: true });
  writeFileSync(join(project, sessionId, "subagents", "agent-1.jsonl"), "{}\n");
  symlinkSync("/etc/passwd", join(project, sessionId, "link"));

  const registry = JSON.stringify({ "telegram:1": entry("ada", sessionId) });
  const done = await rig.switchboard.importRegistry(registry, { transcripts: configFolder });
  assert.deepEqual(done, {
    new: 1,
    changed: 0,
    unchanged: 0,
    conversations: 1,
    unproven: [],
    kept: [],
    renamed: [],
  });
  assert.equal(await rig.sessionId("telegram:1"), sessionId);

  await rig.ask("telegram:1", "What did I say?");
  assert.equal(await rig.sessionId("telegram:1"), sessionId);
  const shown = history((await rig.lastRequest("telegram:1")).body);
  assert.ok(JSON.stringify(shown[0]).includes("I like tea"), JSON.stringify(shown));
  assert.match(await rig.ask("telegram:1", "What did I say?"), /"I like tea"/);

  assert.equal(readFileSync(join(project, `${sessionId}.jsonl`), "utf8"), before);
  const copies = readdirSync(join(rig.home, "spaces"), { recursive: true, encoding: "utf8" });
  assert.ok(copies.some((path) => path.endsWith(join(sessionId, "subagents", "agent-1.jsonl"))));
  assert.equal(
    copies.some((path) => path.endsWith("link")),
    false,
  );
});

test("a session id without a transcript is kept, and the chat begins anew and says so", async () => {
  const gone = "11111111-2222-4333-8444-555555555555";
  writeFileSync(join(configFolder, "projects", "empty.jsonl"), "");
  const empty = "22222222-2222-4333-8444-555555555555";
  mkdirSync(join(configFolder, "projects", "p"), { recursive: true });
  writeFileSync(join(configFolder, "projects", "p", `${empty}.jsonl`), '{"type":"summary"}\nno json\n');
  const before = spaces().length;
  const registry = JSON.stringify({
    "+15551234567": entry("john-doe", "abc-123-def", { created_at: "2026-01-15T10:30:00.123456" }),
    gone: entry("gone", gone),
    empty: entry("empty", empty),
  });
  const done = await rig.switchboard.importRegistry(registry, { transcripts: configFolder });
  assert.deepEqual([done.new, done.conversations], [3, 0]);
  assert.deepEqual(done.unproven, ["+15551234567", "gone", "empty"]);
  assert.equal(spaces().length, before, "a space was left for a conversation that is none");

  for (const [chatId, sessionId] of [
    ["+15551234567", "abc-123-def"],
    ["gone", gone],
  ] as const) {
    assert.equal((await rig.chat(chatId)).sessionId, null);
    assert.equal(JSON.parse(await exported())[chatId].session_id, sessionId);
    assert.equal(await rig.ask(chatId, "hello"), 'You said: "hello". I remember no earlier messages.');
    const { text } = await rig.journal.until(chatId, "notice", ({ code }) => code === "session_unproven");
    assert.ok(text.includes(sessionId), text);
    assert.equal(JSON.parse(await exported())[chatId].session_id, await rig.sessionId(chatId));
  }
  const created = new Date(2026, 0, 15, 10, 30, 0, 123).toISOString();
  assert.equal((await rig.chat("+15551234567")).createdAt, created);
});

test("what lies about among the conversations hinders nobody, and what is wanted but unreadable is named", async () => {
  const sessionId = await saysElsewhere("flo", "I like gin");
  const folder = join(configFolder, "projects", "odd");
  mkdirSync(folder, { recursive: true });
  const odd = (name: string) => join(folder, `${name}.jsonl`);
  const [dangling, directory, pipe, aside] = ["d", "e", "f", "a"].map(
    (char) => `${char.repeat(8)}-2222-4333-8444-555555555555`,
  ) as [string, string, string, string];
  symlinkSync("/nowhere", odd(dangling));
  mkdirSync(odd(directory));
  execFileSync("mkfifo", [odd(pipe)]);
  // Claude Code resumes neither what only a subagent said nor lines that it has not written.
  const line = { type: "user", uuid: aside, message: { role: "user", content: "hi" } };
  writeFileSync(
    odd(aside),
    `${JSON.stringify({ ...line, isSidechain: true })}\n${JSON.stringify(line, null, 1).replaceAll("\n", "")}\n`,
  );
  const before = spaces().length;
  const registry = {
    flo: entry("flo", sessionId),
    dangling: entry("x", dangling),
    directory: entry("x", directory),
  };
  const all = { ...registry, pipe: entry("x", pipe), aside: entry("x", aside) };
  const done = await rig.switchboard.importRegistry(JSON.stringify(all), { transcripts: configFolder });
  assert.deepEqual([done.conversations, done.unproven], [1, ["dangling", "directory", "pipe", "aside"]]);
  assert.equal(spaces().length, before + 1);
  assert.match(await rig.ask("flo", "What did I say?"), /"I like gin"/);

  const again = JSON.stringify(all);
  const { unchanged, unproven } = await rig.switchboard.importRegistry(again);
  assert.deepEqual([unchanged, unproven], [5, ["dangling", "directory", "pipe", "aside"]]);
});

test("what an import made that a crash cut is gone at the next start, and what it finished is not", async () => {
  const sessionId = await saysElsewhere("gus", "I like mead");
  await rig.switchboard.importRegistry(JSON.stringify({ gus: entry("gus", sessionId) }), {
    transcripts: configFolder,
  });
  const finished = spaces().at(-1) ?? assert.fail();
  const cut = "33333333-2222-4333-8444-555555555555";
  mkdirSync(join(rig.home, "spaces", cut, "claude"), { recursive: true });
  const before = spaces();
  const notes = [
    ...before.map((id) => JSON.stringify({ id, chatId: "gus" })).filter((note) => note.includes(cut)),
    JSON.stringify({ id: (await spaceOf("gus")) ?? assert.fail(), chatId: "gus" }),
    '{"id": "4444',
  ];
  await rig.close();
  writeFileSync(join(rig.home, "imports", "cut"), notes.join("\n"));
  await rig.open();
  assert.deepEqual(
    spaces(),
    before.filter((id) => id !== cut),
  );
  assert.ok(spaces().includes(finished));
  assert.deepEqual(readdirSync(join(rig.home, "imports")), []);
  assert.match(await rig.ask("gus", "What did I say?"), /"I like mead"/);
});

test("what is not understood changes nothing, neither in the ledger nor on disk", async () => {
  const sessionId = await saysElsewhere("eve", "I like rum");
  const before = [await exported(), spaces()];
  const good = entry("eve", sessionId);
  for (const [bad, code, options] of [
    [entry("x", null, { tier: "wife" }), "unknown_tier", {}],
    [entry("x", null, { contact_name: 7 }), "invalid_registry", {}],
    [entry("x", null), "unknown_tier", { mapTier: { wife: "queen" } }],
    [entry("x", null), "invalid_request", { transcripts: join(rig.folder, "nowhere") }],
  ] as const) {
    const registry = JSON.stringify({ eve: good, bad });
    await assert.rejects(
      rig.switchboard.importRegistry(registry, { transcripts: configFolder, ...options }),
      { code },
    );
  }
  assert.deepEqual([await exported(), spaces()], before);
});

test("a chat that has a conversation here keeps it, and takes the contact, at once where it is live", async () => {
  await rig.say("ben", "I like coffee");
  const theirs = await saysElsewhere("ben", "I like milk");
  const [sessionId, before] = [await rig.sessionId("ben"), spaces().length];
  const registry = JSON.stringify({ ben: entry("benjamin", theirs, { contact_name: "Benjamin" }) });
  const done = await rig.switchboard.importRegistry(registry, { transcripts: configFolder });
  assert.deepEqual([done.changed, done.conversations, done.unproven, done.kept], [1, 0, [], ["ben"]]);
  assert.equal(spaces().length, before);
  assert.deepEqual([await rig.sessionId("ben"), (await rig.chat("ben")).sessionName], [sessionId, "ben"]);
  assert.match(await rig.ask("ben", "What did I say?"), /"I like coffee"/);
  assert.match(JSON.stringify((await rig.lastRequest("ben")).body), /Benjamin/);
});

test("what one home exports another one imports, and exports the same", async () => {
  const text = await exported();
  const { "telegram:1": _, ...others } = JSON.parse(text);
  const other = await startRig({ after });
  const done = await other.switchboard.importRegistry(text);
  assert.deepEqual([done.new, done.renamed], [Object.keys(others).length + 1, []]);
  let again = "";
  for await (const piece of other.switchboard.exportRegistry()) again += piece;
  assert.equal(again, text);
});
