/** A process may die at any moment; its session, its messages and its successor take no harm. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { MessageView } from "../../src/index.ts";
import { eventually, meanwhile } from "../support/eventually.ts";
import { open, toolResult } from "../support/model.ts";
import { isAlive, killHard, processesNaming, signal } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const admin = { contact: { tier: "admin" } };

/** Its turn was taken up by the next process: the model was asked anew, and saw the message once. */
async function assertContinued(message: MessageView): Promise<void> {
  const ended = await rig.ended(message);
  assert.deepEqual(answerOf(ended).answers, [message.id]);
  assert.equal(ended.tries, 2);
  assert.deepEqual(open(await rig.lastRequest(message.chatId)), [message.text]);
  const turns = rig.journal.of(message.chatId, "turn");
  const states = turns.filter(({ messageIds }) => messageIds.includes(message.id)).map(({ state }) => state);
  assert.deepEqual(states, ["started", "cut", "started", "answered"]);
}

/** The chat answers, in the session that it had. */
async function assertGoesOn(chatId: string, sessionId: string | null): Promise<void> {
  const next = await rig.say(chatId, "What did I say?");
  assert.deepEqual(answerOf(next).answers, [next.id]);
  assert.match(answerOf(next).text, /"one"\.$/);
  assert.equal(await rig.sessionId(chatId), sessionId);
}

/** The most processes of Claude Code in one session. */
function mostInOneSession(): number {
  const counts = new Map<string, number>();
  for (const { env } of rig.claudes()) {
    const space = env.CLAUDE_CONFIG_DIR ?? "";
    counts.set(space, (counts.get(space) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}

test("killed while text streams: the turn is taken up, and the message answered once", async () => {
  await rig.say("text", "one");
  const sessionId = await rig.sessionId("text");
  const off = rig.script("Tell me more", {
    kind: "text",
    text: "Half an answer",
    hold: Promise.withResolvers().promise,
  });
  const message = await rig.tell("text", "Tell me more");
  await rig.journal.until("text", "text", ({ text }) => text.includes("Half"));
  await rig.inTranscript(message);
  off();
  killHard(await rig.pid("text"));
  await assertContinued(message);
  await assertGoesOn("text", sessionId);
});

test("killed while a tool runs: the tool is gone before the next process starts, however it resists", async () => {
  await rig.say("tool", "one", admin);
  const sessionId = await rig.sessionId("tool");
  const mark = join(rig.folder, "marks-the-tool");
  const script = rig.file("tool.sh", `trap '' TERM; while :; do sleep 0.1; done # ${mark}`);
  const off = rig.script("Dig", {
    kind: "tool",
    name: "Bash",
    input: { command: `sh '${script}' '${mark}'` },
  });
  const message = await rig.tell("tool", "Dig");
  const tool = await eventually("the tool runs", () =>
    processesNaming(mark).find(({ command }) => command.startsWith(`sh ${script}`)),
  );
  await rig.inTranscript(message);
  const generation = (await rig.chat("tool")).process?.generation ?? 0;
  off();
  killHard(await rig.pid("tool"));
  await rig.journal.until(
    "tool",
    "process",
    (event) => event.generation > generation && event.state === "starting",
  );
  assert.equal(isAlive(tool.pid), false);
  assert.deepEqual(processesNaming(mark), []);
  await assertContinued(message);
  assert.match(toolResult(await rig.lastRequest("tool")).text, /outcome is unknown/);
  const tools = rig.journal.of("tool", "tool").map(({ state }) => state);
  assert.deepEqual(tools, ["started", "unknown"]);
  await assertGoesOn("tool", sessionId);
});

test("killed before it has taken a message: the message is sent again, and the model sees it once", async () => {
  await rig.say("lost", "one");
  const sessionId = await rig.sessionId("lost");
  const pid = await rig.pid("lost");
  signal(pid, "SIGSTOP");
  const message = await rig.tell("lost", "two");
  await rig.sent(message);
  killHard(pid);
  const ended = await rig.ended(message);
  assert.deepEqual(answerOf(ended).answers, [message.id]);
  assert.equal(ended.tries, 2);
  assert.equal(answerOf(ended).text, 'You said: "two". I remember 1 earlier message.');
  assert.equal(await rig.sessionId("lost"), sessionId);
  await assertGoesOn("lost", sessionId);
});

test("killed while it starts for a new chat: the first message is answered all the same", async () => {
  const message = await rig.tell("newborn", "one");
  await rig.journal.until("newborn", "process", ({ state }) => state === "started");
  killHard(await rig.pid("newborn"));
  assert.equal(answerOf(await rig.ended(message)).text, 'You said: "one". I remember no earlier messages.');
  await assertGoesOn("newborn", await rig.sessionId("newborn"));
});

test("killed again and again: each message has one end, the model sees none twice, two processes never live at once", async (t) => {
  const counts = meanwhile(t, mostInOneSession);
  await rig.say("often", "one");
  const sessionId = await rig.sessionId("often");
  for (let round = 0; round < 6; round += 1) {
    const text = `round ${round}`;
    const message = await rig.tell("often", text);
    // Sooner and later in the turn, on either side of what the transcript knows.
    if (round >= 2) await rig.requestWith(text);
    if (round >= 4) await rig.inTranscript(message);
    const pid = await rig.pid("often");
    killHard(pid);
    const { status, error, reply } = await rig.ended(message);
    if (status === "answered") assert.deepEqual(reply?.answers, [message.id]);
    else assert.deepEqual([status, error?.code, reply], ["failed", "interrupted", null]);
    await eventually("the death was noticed", async () => (await rig.chat("often")).process?.pid !== pid);
  }
  await rig.say("often", "last");
  const shown = JSON.stringify((await rig.lastRequest("often")).body.messages);
  for (let round = 0; round < 6; round += 1) {
    assert.ok(shown.split(`"round ${round}"`).length <= 2, `the model sees round ${round} twice`);
  }
  await assertGoesOn("often", sessionId);
  assert.equal(Math.max(...(await counts())), 1);
});

test("a process that dies at its start again and again: it is tried later and later, and the message has its first try yet", async (t) => {
  const pids = new Set<number>();
  const killed = meanwhile(t, async () => {
    const chat = await rig.chat("doomed").catch(() => null);
    const pid = chat?.process?.pid ?? null;
    if (chat?.state !== "starting" || pid === null || pids.size >= 3) return;
    pids.add(pid);
    killHard(pid);
  });
  const doomed = await rig.say("doomed", "one");
  await killed();
  assert.equal(pids.size, 3);
  assert.equal(answerOf(doomed).text, 'You said: "one". I remember no earlier messages.');
  assert.equal(rig.starts("doomed"), 4);
});

test("a process that cannot be started at all: the message fails after three tries instead of waiting for ever", async () => {
  await rig.say("walled", "one");
  await rig.switchboard.closeChat("walled");
  const work = await rig.workFolder("walled");
  rmSync(work, { recursive: true });
  writeFileSync(work, "a file where a folder should be");
  const failed = await rig.say("walled", "two");
  assert.deepEqual([failed.status, failed.error?.code], ["failed", "start_failed"]);
  rmSync(work);
  assert.match(await rig.ask("walled", "What did I say?"), /"one"\.$/);
});
