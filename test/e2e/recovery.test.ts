/**
 * What becomes of a turn that died with its process, or with the whole daemon: it is continued where it stopped, or its
 * answer is taken from the transcript; the model never sees a message twice, and no tool is run twice that must not be.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import type { MessageView, ReplyView } from "../../src/index.ts";
import { type RecordedRequest, type Step, userMessages } from "../../src/offline/index.ts";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { assertSeenOnce, open, toolResults } from "../support/model.ts";
import { killHard, signal } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after }, { config: 'tiers.admin.once = ["Bash"]' });
const admin = { contact: { tier: "admin" } };

function bash(command: string): Step {
  return { kind: "tool", name: "Bash", input: { command } };
}

/** A command that ends when `release` is called. */
function untilReleased(name: string) {
  const file = join(rig.folder, `release-${name}`);
  return { command: `until [ -e '${file}' ]; do sleep 0.1; done`, release: () => writeFileSync(file, "") };
}

/** One answer names them all, each was tried twice, and no request showed the model one of them twice. */
async function assertAnsweredTogether(chatId: string, messages: readonly MessageView[]): Promise<void> {
  const replies = new Map<string, ReplyView>();
  for (const message of messages) {
    const ended = await rig.ended(message);
    assert.equal(ended.tries, 2);
    replies.set(answerOf(ended).id, answerOf(ended));
  }
  assert.deepEqual(
    [...replies.values()].map(({ answers }) => answers),
    [messages.map(({ id }) => id)],
  );
  const requests = await rig.requests(chatId);
  assertSeenOnce(requests, ...messages.map(({ text }) => text));
}

/** The first notice that is about the message. */
async function noticeAbout({ chatId, id }: MessageView): Promise<ReplyView> {
  const { reply } = await rig.journal.until(
    chatId,
    "reply",
    ({ reply }) => reply.kind === "notice" && reply.answers.includes(id),
  );
  return reply;
}

describe("a turn with several messages is taken up with all of them", () => {
  test("killed after a message had joined the running turn", async () => {
    await rig.say("folded", "one");
    const { command, release } = untilReleased("folded");
    const off = rig.script("Build it", bash(command));
    const hang = rig.model.script((request) =>
      open(request).at(-1) === "And test it" ? { kind: "hang" } : undefined,
    );
    const first = await rig.tell("folded", "Build it", admin);
    await rig.journal.until("folded", "tool", ({ state }) => state === "started");
    const second = await rig.tell("folded", "And test it");
    await rig.inLine("folded", 1);
    release();
    assert.deepEqual(open(await rig.requestWith("And test it")), ["Build it", "And test it"]);
    await rig.inTranscript(second);
    off();
    hang();
    killHard(await rig.pid("folded"));
    await assertAnsweredTogether("folded", [first, second]);
    assert.deepEqual(open(await rig.lastRequest("folded")), ["Build it", "And test it"]);
  });

  test("killed in a turn that messages had waited for together", async () => {
    await rig.say("merged", "one");
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.script("Count", { kind: "text", text: "one, two", tokens: ["one,", " two"], hold: promise });
    const off = rig.script("louder", { kind: "hang" });
    const running = await rig.tell("merged", "Count");
    await rig.journal.until("merged", "text", ({ text }) => text.includes("one,"));
    const messages = [await rig.tell("merged", "faster"), await rig.tell("merged", "louder")];
    await rig.inLine("merged", messages.length);
    resolve();
    assert.deepEqual(answerOf(await rig.ended(running)).answers, [running.id]);
    assert.deepEqual(open(await rig.requestWith("louder")), ["faster", "louder"]);
    for (const message of messages) await rig.inTranscript(message);
    off();
    killHard(await rig.pid("merged"));
    await assertAnsweredTogether("merged", messages);
  });
});

test("an answer that was given but not recorded is taken from the transcript: the model is not asked again", async (t) => {
  const daemon = await startDaemonRig(t);
  await daemon.ask("chat", "one");
  const { promise, resolve } = Promise.withResolvers<void>();
  const text = "The whole of the answer.";
  daemon.script("Tell me", { kind: "text", text, tokens: ["The whole ", "of the answer."], hold: promise });
  const message = await daemon.tell("chat", "Tell me");
  const asked = await daemon.requestWith("Tell me");
  await daemon.inTranscript(message);

  // The daemon cannot write down what comes now.
  const database = new DatabaseSync(join(daemon.home, "switchboard.db"));
  database.exec("BEGIN IMMEDIATE");
  resolve();
  assert.equal(await asked.ended, "answered");
  await eventually("the transcript has the answer", () =>
    globSync(join(daemon.home, "spaces/*/claude/projects/*/*.jsonl")).some((file) =>
      readFileSync(file, "utf8")
        .split("\n")
        .some((line) => line.includes(text) && line.includes('"end_turn"')),
    ),
  );
  await daemon.kill();
  database.close();

  await daemon.start();
  const { status, tries, reply } = await daemon.ended(message);
  assert.deepEqual([status, tries, reply?.text, reply?.answers], ["answered", 1, text, [message.id]]);
  assert.match((await daemon.ask("chat", "What did I say?")) ?? "", /"Tell me", "one"\.$/);
  const asking = daemon.model.requests().filter((request) => open(request).at(-1) === "Tell me");
  assert.equal(asking.length, 1);
});

test("three deaths without progress: the message fails, its sender is told, and Claude sees no more of it", async () => {
  await rig.say("futile", "one");
  rig.script("Think", { kind: "hang" });
  const message = await rig.tell("futile", "Think");
  const asked = async () =>
    (await rig.requests("futile")).filter((request) => open(request).at(-1) === "Think").length;
  for (let deaths = 0; deaths < 3; deaths += 1) {
    await eventually("the model is asked again", async () => (await asked()) > deaths);
    await rig.inTranscript(message);
    killHard(await rig.pid("futile"));
  }
  const { status, error, tries, reply } = await rig.ended(message);
  assert.deepEqual([status, error?.code, tries, reply], ["failed", "interrupted", 3, null]);
  assert.match((await noticeAbout(message)).text, /cut off several times/);
  assert.match(await rig.ask("futile", "What did I say?"), /newest first: "one"\.$/);
  assert.equal(await asked(), 3);
});

test("a turn that gets further with each process survives more than three deaths, and repeats nothing", async () => {
  await rig.say("long", "one", admin);
  const file = join(rig.folder, "steps");
  const all = 5;
  let allowed = 1;
  rig.model.script((request) => {
    if (open(request).at(-1) !== "Climb") return undefined;
    const done = toolResults(request).length;
    if (done === all) return undefined;
    // What a step says stands in no other words of the transcript.
    const step = bash(`echo ${done} >> '${file}'; printf 'reached-%s' ${done + 1}`);
    return done < allowed ? step : { kind: "hang" };
  });
  const message = await rig.tell("long", "Climb");
  for (; allowed < all; allowed += 1) {
    const step = `reached-${allowed}`;
    await eventually(`the transcript has ${step}`, async () =>
      readFileSync(await rig.transcript("long"), "utf8").includes(step),
    );
    killHard(await rig.pid("long"));
    await eventually(
      "it is taken up",
      async () => (await rig.switchboard.message(message.id)).tries > allowed,
    );
  }
  const ended = await rig.ended(message);
  assert.deepEqual(answerOf(ended).answers, [message.id]);
  assert.equal(ended.tries, all);
  assert.equal(readFileSync(file, "utf8"), "0\n1\n2\n3\n4\n");
  assertSeenOnce(await rig.requests("long"), "Climb");
});

describe("a tool call that a crash cut off", () => {
  test("is not run again when the tier says so; another call of the tool is", async () => {
    await rig.say("once", "one", admin);
    const file = join(rig.folder, "side-effects");
    const pay = bash(`echo paid >> '${file}'; until [ -e '${file}.never' ]; do sleep 0.1; done`);
    const look = bash(`echo looked >> '${file}'`);
    rig.model.script((request) =>
      open(request).at(-1) === "Pay" ? [pay, pay, look][toolResults(request).length] : undefined,
    );
    const message = await rig.tell("once", "Pay");
    await eventually("it is paid", () => globSync(file).length > 0);
    await rig.inTranscript(message);
    killHard(await rig.pid("once"));

    assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
    assert.equal(readFileSync(file, "utf8"), "paid\nlooked\n");
    const results = toolResults(await rig.lastRequest("once"));
    assert.match(results[0]?.text ?? "", /outcome is unknown/);
    assert.match(results[1]?.text ?? "", /must not be run twice/);
    assert.deepEqual(
      rig.journal.of("once", "tool").map(({ state }) => state),
      ["started", "unknown", "started", "finished"],
    );
    await rig.journal.until("once", "notice", ({ code }) => code === "tool_denied");
  });

  test("is told with its message when the transcript has lost both", async () => {
    await rig.copied(await rig.say("note", "one", admin));
    const file = join(rig.folder, "begun");
    const off = rig.script(
      "Dig",
      bash(`echo begun >> '${file}'; until [ -e '${file}.never' ]; do sleep 0.1; done`),
    );
    const message = await rig.tell("note", "Dig");
    await eventually("the tool runs", () => globSync(file).length > 0);
    off();
    const pid = await rig.pid("note");
    signal(pid, "SIGSTOP");
    rmSync(await rig.transcript("note"));
    killHard(pid);

    assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
    const request = await rig.lastRequest("note");
    assert.match(shown(request), /Note from Switchboard: a first attempt at this message was cut off/);
    assert.match(shown(request), /- Bash \{"command":"echo begun .*: outcome unknown/);
    assertSeenOnce([request], "Dig");
    assert.match(await rig.ask("note", "What did I say?"), /"one"\.$/);
  });
});

/** All that people and Switchboard said. */
function shown({ body }: RecordedRequest): string {
  return userMessages(body).join("\n");
}
