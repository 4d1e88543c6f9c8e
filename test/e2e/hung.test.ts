/** A process that hangs is found and replaced; one that dies again and again is left alone, which everybody is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { assertSeenOnce, open } from "../support/model.ts";
import { isAlive, killHard, signal } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

/** ms within which a process that was stopped by a signal is replaced. */
const replacedWithinMs = 30_000;

test("a process that was stopped in mid-turn is replaced within 30 s, and its message is answered by the next one", async (t) => {
  const rig = await startRig(t, { config: "processes.health_check_seconds = 0.5" });
  await rig.say("chat", "one");
  const off = rig.script("Think", { kind: "hang" });
  const message = await rig.tell("chat", "Think");
  await rig.requestWith("Think");
  await rig.inTranscript(message);
  off();
  const pid = await rig.pid("chat");
  const begun = performance.now();
  signal(pid, "SIGSTOP");
  await eventually("the process is gone", () => !isAlive(pid), replacedWithinMs);
  const ended = await rig.ended(message);
  assert.ok(performance.now() - begun < replacedWithinMs);
  assert.deepEqual([answerOf(ended).answers, ended.tries], [[message.id], 2]);
  assertSeenOnce(await rig.requests("chat"), "Think");
  const { reason } = await rig.journal.until("chat", "process", ({ state }) => state === "ended");
  assert.match(reason, /stopped \(state T\)/);
});

test("a message that a stopped process was handed but never took is answered by the next one", async (t) => {
  const rig = await startRig(t, { config: "processes.health_check_seconds = 0.5" });
  await rig.say("chat", "one");
  signal(await rig.pid("chat"), "SIGSTOP");
  const message = await rig.tell("chat", "two");
  assert.equal(answerOf(await rig.ended(message)).text, 'You said: "two". I remember 1 earlier message.');
  assertSeenOnce(await rig.requests("chat"), "two");
});

test("a process that dies again and again: the chat is left alone, its messages fail with a notice, and a restart brings it back", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  const sessionId = await rig.sessionId("chat");
  // Three deaths use up the tries of a message: it takes two of them to come to six.
  for (const text of ["two", "three"]) {
    rig.script(text, { kind: "hang" });
    const message = await rig.tell("chat", text);
    const asked = () => rig.model.requests().filter((request) => open(request).at(-1) === text).length;
    for (let deaths = 0; deaths < 3; deaths += 1) {
      await eventually("the model is asked again", () => asked() > deaths);
      killHard(await rig.pid("chat"));
    }
    assert.equal((await rig.ended(message)).status, "failed");
  }
  const { state, held } = await rig.chat("chat");
  const { text } = await rig.journal.until("chat", "notice", ({ code }) => code === "quarantined");
  assert.deepEqual([state, held?.reason], ["quarantined", text]);
  assert.ok(Date.parse(held?.until ?? "") > Date.now());
  assert.match(text, /died 6 times within 10 minutes/);

  const starts = rig.starts("chat");
  const refused = await rig.say("chat", "four");
  assert.deepEqual([refused.status, refused.error?.code, refused.tries], ["failed", "quarantined", 0]);
  const { reply } = await rig.journal.until("chat", "reply", ({ reply }) =>
    reply.answers.includes(refused.id),
  );
  assert.deepEqual([reply.kind, /out of order at the moment/.test(reply.text)], ["notice", true]);
  assert.equal(rig.starts("chat"), starts);

  await rig.switchboard.restart("chat");
  assert.match(await rig.ask("chat", "What did I say?"), /newest first: "one"\.$/);
  assert.equal(await rig.sessionId("chat"), sessionId);
});

test("a chat that is woken has its process before the message that uses it", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  await rig.switchboard.closeChat("chat");
  assert.equal((await rig.switchboard.wake("chat")).did, "woken");
  await eventually("the process is ready", async () => (await rig.chat("chat")).state === "idle");
  const starts = rig.starts("chat");
  assert.equal((await rig.switchboard.wake("chat")).did, "nothing");
  assert.match(await rig.ask("chat", "What did I say?"), /"one"\.$/);
  assert.equal(rig.starts("chat"), starts);
  assert.deepEqual(open(await rig.lastRequest("chat")), ["What did I say?"]);
  // It warms up by counting its tokens: nobody may be asked for what is thrown away.
  assert.ok(rig.model.requests().every(({ kind }) => kind === "messages"));
});

test("a busy chat needs no waking, and one that nobody has named cannot be woken", async (t) => {
  const rig = await startRig(t);
  const off = rig.script("Think", { kind: "hang" });
  const message = await rig.tell("chat", "Think");
  await rig.requestWith("Think");
  assert.equal((await rig.switchboard.wake("chat")).did, "nothing");
  assert.equal(rig.starts("chat"), 1);
  await assert.rejects(rig.switchboard.wake("nobody"), { code: "not_found" });
  off();
  await rig.switchboard.stop("chat");
  assert.equal((await rig.ended(message)).status, "stopped");
});
