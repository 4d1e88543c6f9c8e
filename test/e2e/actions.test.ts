/** Close, restart, reset and undo: what each does to the process, the open messages and the memory. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after }, { config: "processes.drain_seconds = 2" });

/** The model streams half of an answer to `text`, the other half when `release` is called. */
function longAnswer(text: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script(text, { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
  return resolve;
}

describe("close", () => {
  test("ends an idle process and keeps the conversation", async () => {
    await rig.say("close", "I like tea");
    const pid = await rig.pid("close");
    const did = await rig.switchboard.closeChat("close");
    assert.deepEqual(did, { chatId: "close", did: "closed", stopped: [], requeued: [] });
    assert.equal(isAlive(pid), false);
    const { state, process } = await rig.chat("close");
    assert.deepEqual([state, process], ["dormant", null]);
    assert.equal((await rig.switchboard.closeChat("close")).did, "nothing");
    assert.match(await rig.ask("close", "What did I say?"), /"I like tea"/);
  });

  test("lets the running turn end, and what comes meanwhile is answered by the next process", async () => {
    const release = longAnswer("Count");
    const running = await rig.tell("closing", "Count");
    await rig.journal.until("closing", "text");
    const closing = rig.switchboard.closeChat("closing");
    const later = await rig.tell("closing", "Hello");
    release();
    assert.equal((await closing).did, "closed");
    assert.equal(answerOf(await rig.ended(running)).text, "one two");
    assert.equal(answerOf(await rig.ended(later)).text, 'You said: "Hello". I remember 1 earlier message.');
    assert.equal(rig.starts("closing"), 2);
  });

  test("does not wait longer than the drain limit, and the next process takes the cut turn up", async () => {
    await rig.say("patience", "one");
    const off = rig.script("Think", { kind: "hang" });
    const running = await rig.tell("patience", "Think", { route: 1 });
    const waiting = await rig.tell("patience", "And then", { route: 2 });
    await rig.requestWith("Think");
    off();
    const { did, requeued } = await rig.switchboard.closeChat("patience");
    assert.deepEqual([did, requeued], ["closed", [running.id]]);
    assert.deepEqual(answerOf(await rig.ended(running)).answers, [running.id]);
    assert.deepEqual(answerOf(await rig.ended(waiting)).answers, [waiting.id]);
  });
});

describe("restart", () => {
  test("serves the same session by a new process, without being asked anything", async () => {
    await rig.say("restart", "I like tea");
    const before = await rig.chat("restart");
    const did = await rig.switchboard.restart("restart");
    assert.deepEqual(did, { chatId: "restart", did: "restarted", stopped: [], requeued: [] });
    const now = await eventually("the new process is ready", async () => {
      const chat = await rig.chat("restart");
      return chat.state === "idle" ? chat : undefined;
    });
    assert.notEqual(now.process?.pid, before.process?.pid);
    assert.ok(Number(now.process?.generation) > Number(before.process?.generation));
    assert.match(await rig.ask("restart", "What did I say?"), /"I like tea"/);
    assert.equal(await rig.sessionId("restart"), before.sessionId);
    assert.equal(rig.starts("restart"), 2);
  });

  test("starts the process of a dormant chat", async () => {
    await rig.switchboard.closeChat("restart");
    assert.equal((await rig.switchboard.restart("restart")).did, "restarted");
    await eventually("the process is ready", async () => (await rig.chat("restart")).state === "idle");
  });
});

describe("reset and undo", () => {
  test("reset begins a new conversation, undo brings the old one back", async () => {
    await rig.say("reset", "I like tea");
    const old = await rig.sessionId("reset");
    const did = await rig.switchboard.reset("reset");
    assert.deepEqual(did, { chatId: "reset", did: "reset", stopped: [], requeued: [], sessionId: null });
    assert.equal(await rig.ask("reset", "What did I say?"), "You have not said anything yet.");
    await rig.say("reset", "I like coffee");
    assert.notEqual(await rig.sessionId("reset"), old);

    const undone = await rig.switchboard.undoReset("reset");
    assert.deepEqual(undone, { chatId: "reset", did: "undone", stopped: [], requeued: [], sessionId: old });
    assert.equal(await rig.ask("reset", "What did I say?"), 'You said, newest first: "I like tea".');
    assert.equal(await rig.sessionId("reset"), old);
  });

  test("undo works after the home was closed and opened again", async () => {
    await rig.say("later", "I like tea");
    await rig.switchboard.reset("later");
    await rig.reopen("processes.drain_seconds = 2");
    await rig.switchboard.undoReset("later");
    assert.match(await rig.ask("later", "What did I say?"), /"I like tea"/);
  });

  test("what was told before a reset is told again after it, and not again after the undo", async () => {
    const contact = { tier: "family", name: "Ada" };
    const facts = async (chatId: string) =>
      JSON.stringify((await rig.lastRequest(chatId)).body.messages).split("Contact facts from Switchboard")
        .length - 1;
    await rig.say("facts", "one", { contact });
    await rig.switchboard.reset("facts");
    await rig.say("facts", "two", { contact });
    assert.equal(await facts("facts"), 1);
    await rig.switchboard.undoReset("facts");
    await rig.say("facts", "three", { contact });
    assert.equal(await facts("facts"), 1);
  });

  test("reset stops what is open", async () => {
    rig.script("Ponder", { kind: "hang" });
    const running = await rig.tell("busy", "Ponder", { route: 1 });
    const waiting = await rig.tell("busy", "And then", { route: 2 });
    await rig.requestWith("Ponder");
    const { stopped } = await rig.switchboard.reset("busy");
    assert.deepEqual(stopped, [
      { id: running.id, ran: true },
      { id: waiting.id, ran: false },
    ]);
    assert.equal((await rig.ended(running)).status, "stopped");
    assert.equal(await rig.ask("busy", "What did I say?"), "You have not said anything yet.");
  });

  test("undo is refused while something is open, and when there is nothing to undo", async () => {
    await rig.say("undo", "one");
    await assert.rejects(rig.switchboard.undoReset("undo"), { code: "not_found" });
    await rig.switchboard.reset("undo");
    rig.script("two", { kind: "hang" });
    await rig.tell("undo", "two");
    await rig.requestWith("two");
    await assert.rejects(rig.switchboard.undoReset("undo"), { code: "busy" });
    await rig.switchboard.stop("undo");
    await rig.switchboard.undoReset("undo");
    assert.match(await rig.ask("undo", "What did I say?"), /"one"/);
  });

  test("actions asked for at the same time are done one after the other", async () => {
    await rig.say("all", "I like tea");
    const { switchboard } = rig;
    const hello = rig.say("all", "Hello");
    await Promise.all([
      switchboard.restart("all"),
      switchboard.closeChat("all"),
      switchboard.reset("all"),
      switchboard.restart("all"),
    ]);
    assert.ok(["answered", "stopped"].includes((await hello).status));
    assert.doesNotMatch(await rig.ask("all", "What did I say?"), /tea/);
  });
});

test("an action on a chat that nobody has named is refused", async () => {
  for (const action of ["closeChat", "restart", "reset", "undoReset"] as const) {
    await assert.rejects(rig.switchboard[action]("nobody"), { code: "not_found" });
  }
});
