/** Stop goes past the queue and always works: it ends what is open, says what that was, and the chat goes on. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import type { MessageView } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { killHard, processesNaming, signal } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after }, { config: "processes.stop_seconds = 2" });

/** The chat's next message is answered, and by its own answer. */
async function assertGoesOn(chatId: string): Promise<void> {
  const next = await rig.say(chatId, "Are you there?");
  const { answers, text } = answerOf(next);
  assert.deepEqual(answers, [next.id]);
  assert.match(text, /^You said: "Are you there\?"\./);
}

async function assertStopped(message: MessageView, ran: boolean): Promise<void> {
  const { status, ran: hasRun, reply } = await rig.ended(message);
  assert.deepEqual({ status, ran: hasRun, reply }, { status: "stopped", ran, reply: null });
}

test("the running message and those that wait end, and are named", async () => {
  rig.script("Think", { kind: "hang" });
  const running = await rig.tell("hanging", "Think", { route: 1 });
  await rig.requestWith("Think");
  const waiting = await rig.tell("hanging", "And then", { route: 2 });
  const did = await rig.switchboard.stop("hanging");
  assert.deepEqual(did, {
    chatId: "hanging",
    did: "stopped",
    stopped: [
      { id: running.id, ran: true },
      { id: waiting.id, ran: false },
    ],
    requeued: [],
  });
  await assertStopped(running, true);
  await assertStopped(waiting, false);
  await assertGoesOn("hanging");
  assert.equal(rig.starts("hanging"), 1);
});

test("what streams is cut off, makes no reply, and what was queued behind it does not run", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script("Tell me a story", {
    kind: "text",
    text: "Once upon a time",
    tokens: ["Once upon", " a time"],
    hold: promise,
  });
  const running = await rig.tell("story", "Tell me a story");
  await rig.journal.until("story", "text");
  const queued = await rig.tell("story", "Make it short");
  await rig.sent(queued);
  const { stopped } = await rig.switchboard.stop("story");
  resolve();
  assert.deepEqual(stopped, [
    { id: running.id, ran: true },
    { id: queued.id, ran: false },
  ]);
  await assertStopped(running, true);
  await assertStopped(queued, false);
  await assertGoesOn("story");
  assert.equal(rig.journal.of("story", "reply").length, 1);
});

test("a tool is ended with all its processes", async () => {
  const mark = join(rig.folder, "marks-the-tool");
  const command = `sh -c 'while :; do sleep 0.1; done' ${mark} & wait`;
  rig.script("Dig", { kind: "tool", name: "Bash", input: { command } });
  const first = await rig.tell("tool", "Dig", { contact: { tier: "admin" } });
  await eventually("the tool runs", () => processesNaming(mark).length > 0);
  const second = await rig.tell("tool", "Deeper");
  await rig.sent(second);
  const { stopped } = await rig.switchboard.stop("tool");
  assert.deepEqual(
    stopped.map(({ id }) => id),
    [first.id, second.id],
  );
  await assertStopped(first, true);
  await eventually("the tool's processes are gone", () => processesNaming(mark).length === 0);
  await assertGoesOn("tool");
});

test("both messages of a turn that took in a second one have run", async () => {
  rig.script("Look", { kind: "tool", name: "Bash", input: { command: "sleep 0.3" } }, { kind: "hang" });
  const first = await rig.tell("steered", "Look", { contact: { tier: "admin" } });
  await rig.journal.until("steered", "tool", ({ state }) => state === "started");
  const second = await rig.tell("steered", "Closer");
  await rig.journal.until("steered", "turn", ({ state }) => state === "joined");
  const { stopped } = await rig.switchboard.stop("steered");
  assert.deepEqual(stopped, [
    { id: first.id, ran: true },
    { id: second.id, ran: true },
  ]);
  await assertGoesOn("steered");
});

test("a message whose process is still starting never runs", async () => {
  const message = await rig.tell("starting", "Hello");
  await rig.journal.until("starting", "process", ({ state }) => state === "started");
  const { stopped } = await rig.switchboard.stop("starting");
  assert.deepEqual(stopped, [{ id: message.id, ran: false }]);
  await assertStopped(message, false);
  assert.equal(
    await rig.ask("starting", "Hello again"),
    'You said: "Hello again". I remember no earlier messages.',
  );
});

test("a message that was just accepted never runs", async () => {
  const message = await rig.tell("accepted", "Hello");
  const { stopped } = await rig.switchboard.stop("accepted");
  assert.deepEqual(stopped, [{ id: message.id, ran: false }]);
  assert.equal(
    await rig.ask("accepted", "Hello again"),
    'You said: "Hello again". I remember no earlier messages.',
  );
});

test("a turn that was cut by a death is stopped while its next process is being prepared", async () => {
  await rig.say("cut", "one");
  rig.script("Hang", { kind: "hang" });
  const message = await rig.tell("cut", "Hang");
  await rig.requestWith("Hang");
  await rig.inTranscript(message);
  const generation = (await rig.chat("cut")).process?.generation ?? 0;
  killHard(await rig.pid("cut"));
  await rig.journal.until(
    "cut",
    "process",
    (process) => process.state === "starting" && process.generation > generation,
  );
  const { stopped } = await rig.switchboard.stop("cut");
  assert.deepEqual(stopped, [{ id: message.id, ran: true }]);
  await assertStopped(message, true);
  await assertGoesOn("cut");
});

test("a process that does not react is killed, and its session goes on", async () => {
  await rig.say("frozen", "one");
  const sessionId = await rig.sessionId("frozen");
  rig.script("two", { kind: "hang" });
  const message = await rig.tell("frozen", "two");
  await rig.requestWith("two");
  const pid = await rig.pid("frozen");
  signal(pid, "SIGSTOP");
  const { stopped } = await rig.switchboard.stop("frozen");
  // Also when it had not written the message to its transcript yet: it had taken it and asked the model.
  assert.deepEqual(stopped, [{ id: message.id, ran: true }]);
  await assertStopped(message, true);
  assert.match(await rig.ask("frozen", "What did I say?"), /"one"/);
  assert.equal(await rig.sessionId("frozen"), sessionId);
  assert.notEqual(await rig.pid("frozen"), pid);
});

test("stop ends what came before it, and nothing that comes after", async () => {
  rig.script("first", { kind: "hang" });
  const before = await rig.tell("order", "first");
  await rig.requestWith("first");
  const stopping = rig.switchboard.stop("order");
  const afterwards = await rig.tell("order", "second");
  assert.deepEqual((await stopping).stopped, [{ id: before.id, ran: true }]);
  assert.match(answerOf(await rig.ended(afterwards)).text, /You said: "second"/);
});

test("two stops at once both work", async () => {
  rig.script("twice", { kind: "hang" });
  const message = await rig.tell("twice", "twice");
  await rig.requestWith("twice");
  await Promise.all([rig.switchboard.stop("twice"), rig.switchboard.stop("twice")]);
  await assertStopped(message, true);
  await assertGoesOn("twice");
});

test("where nothing is open there is nothing to stop", async () => {
  await rig.say("quiet", "Hello");
  const nothing = { chatId: "quiet", did: "nothing", stopped: [], requeued: [] };
  assert.deepEqual(await rig.switchboard.stop("quiet"), nothing);
  await rig.switchboard.closeChat("quiet");
  assert.deepEqual(await rig.switchboard.stop("quiet"), nothing);
  await assert.rejects(rig.switchboard.stop("nobody"), { code: "not_found" });
});
