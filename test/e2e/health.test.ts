/** A sick process is replaced and an unused one closed, in both cases without loss: the session is not the process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { isAlive, signal } from "../support/processes.ts";
import { answerOf, type Rig, startRig } from "../support/rig.ts";

/** Resolves with the chat's process when it is another than `pid` and has nothing to do. */
async function newProcess(rig: Rig, chatId: string, pid: number): Promise<number> {
  return await eventually("a new process is ready", async () => {
    const { state, process } = await rig.chat(chatId);
    return state === "idle" && process?.pid !== pid ? process?.pid : undefined;
  });
}

test("idle for longer than the limit: the process is closed, the conversation stays", async (t) => {
  const rig = await startRig(t, {
    config: "processes.idle_seconds = 0.5\nprocesses.health_check_seconds = 0.1",
  });
  await rig.say("chat", "I like tea");
  const sessionId = await rig.sessionId("chat");
  await eventually("it is dormant", async () => (await rig.chat("chat")).state === "dormant");
  assert.equal((await rig.chat("chat")).process, null);
  assert.deepEqual(rig.processes(), []);
  assert.equal(await rig.ask("chat", "What did I say?"), 'You said, newest first: "I like tea".');
  assert.equal(await rig.sessionId("chat"), sessionId);
});

test("busy for longer than the idle limit: the process is left alone", async (t) => {
  const rig = await startRig(t, {
    config: "processes.idle_seconds = 0.2\nprocesses.health_check_seconds = 0.1",
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const tokens = Array.from({ length: 12 }, (_, n) => `${n} `);
  rig.script("Count", { kind: "text", text: tokens.join(""), tokens, tokenDelayMs: 100, hold: promise });
  const message = await rig.tell("chat", "Count");
  await rig.journal.until("chat", "text", ({ text }) => text.includes("5"));
  resolve();
  assert.equal(answerOf(await rig.ended(message)).text.split(" ").length, 13);
  assert.equal(rig.starts("chat"), 1);
});

test("a process that does not answer is replaced, and its session goes on", async (t) => {
  const rig = await startRig(t, { config: "processes.health_check_seconds = 0.5" });
  await rig.say("chat", "I like tea");
  const pid = await rig.pid("chat");
  signal(pid, "SIGSTOP");
  await newProcess(rig, "chat", pid);
  assert.equal(isAlive(pid), false);
  assert.equal(await rig.ask("chat", "What did I say?"), 'You said, newest first: "I like tea".');
});
