/** A process that was started ahead, for nobody yet, is a new chat's own from its first message on. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually, type Scope } from "../support/eventually.ts";
import { isAlive, killHard, signal } from "../support/processes.ts";
import { answerOf, type Rig, startRig } from "../support/rig.ts";

const config = "processes.spares = 1\nprocesses.health_check_seconds = 0.2";

/** Where a chat of tier family has been, so that a spare is kept for the next. Its own process is gone. */
async function rigWithSpare(scope: Scope, more = ""): Promise<{ rig: Rig; spare: number }> {
  const rig = await startRig(scope, { config: `${config}\n${more}` });
  await rig.say("before", "I was here before");
  await rig.switchboard.closeChat("before");
  return { rig, spare: await spareOf(rig) };
}

/** The pid of the spare, as soon as it is ready. Every chat's process is one that the chat tells. */
async function spareOf(rig: Rig): Promise<number> {
  await eventually("a spare is ready", () => rig.switchboard.host.processes.spares === 1);
  const { chats } = await rig.switchboard.chats();
  const known = chats.flatMap(({ process }) => process?.pid ?? []);
  const [spare, ...others] = rig.claudes().filter(({ pid }) => !known.includes(pid));
  assert.ok(spare !== undefined && others.length === 0);
  return spare.pid;
}

describe("a new chat takes the spare", () => {
  test("and is answered by it at once, as whom it is, and remembers it when the process is another", async (t) => {
    const { rig, spare } = await rigWithSpare(t);
    const contact = { name: "Ada", tier: "family" };
    assert.match(await rig.ask("ada", "What is my name?", { contact }), /Ada/);
    assert.equal(await rig.pid("ada"), spare);
    assert.equal(rig.starts("ada"), 1, "it is told as the chat's process");
    const request = JSON.stringify(await rig.requestWith("What is my name?"));
    assert.match(request, /A note from Switchboard/);
    assert.doesNotMatch(request, /here before/, "nothing of anybody else is in it");
    await rig.switchboard.closeChat("ada");
    assert.equal(isAlive(spare), false);
    assert.equal(await rig.ask("ada", "What did I say?"), 'You said, newest first: "What is my name?".');
    // A chat that has a conversation takes none, and another spare is there by and by.
    const next = await spareOf(rig);
    assert.notEqual(await rig.pid("ada"), next);
  });

  test("and its first turn is taken up by the next process when that one is killed", async (t) => {
    const { rig, spare } = await rigWithSpare(t);
    const off = rig.script("Work", { kind: "hang" });
    const message = await rig.tell("ada", "Work");
    await rig.requestWith("Work");
    await rig.inTranscript(message);
    off();
    killHard(spare);
    assert.equal((await rig.ended(message)).status, "answered");
    assert.notEqual(await rig.pid("ada"), spare);
    assert.equal(await rig.ask("ada", "What did I say?"), 'You said, newest first: "Work".');
  });

  test("and its first message is sent again when that one is killed before it has taken it", async (t) => {
    const { rig, spare } = await rigWithSpare(t);
    signal(spare, "SIGSTOP");
    const message = await rig.tell("ada", "Hello");
    await rig.sent(message);
    killHard(spare);
    assert.equal(
      answerOf(await rig.ended(message)).text,
      'You said: "Hello". I remember no earlier messages.',
    );
  });

  test("and a first message that the model refuses is left out of the conversation", async (t) => {
    const { rig } = await rigWithSpare(t);
    rig.script("Refuse", { kind: "error", status: 400, type: "invalid_request_error", message: "no" });
    assert.equal((await rig.say("ada", "Refuse")).status, "failed");
    assert.equal(await rig.ask("ada", "What did I say?"), "You have not said anything yet.");
  });

  test("but not when it is of another tier, nor when the spare was killed", async (t) => {
    const { rig, spare } = await rigWithSpare(t);
    answerOf(await rig.say("bot", "Hello", { contact: { tier: "bots" } }));
    assert.notEqual(await rig.pid("bot"), spare);
    // Now one is kept for that tier.
    await eventually("the other is gone", () => !isAlive(spare));
    killHard(await spareOf(rig));
    answerOf(await rig.say("second bot", "Hello", { contact: { tier: "bots" } }));
  });
});

describe("a spare", () => {
  test("makes room for whoever needs it, and leaves nothing behind", async (t) => {
    const { rig, spare } = await rigWithSpare(t, "processes.max = 2");
    await rig.say("ada", "Hello");
    assert.equal(await rig.pid("ada"), spare);
    const next = await spareOf(rig);
    for (const chatId of ["ada", "before"]) {
      rig.script(`Wait, ${chatId}`, { kind: "hang" });
      await rig.tell(chatId, `Wait, ${chatId}`);
      await rig.requestWith(`Wait, ${chatId}`);
    }
    assert.equal(isAlive(next), false);
    assert.equal(rig.switchboard.host.processes.spares, 0);
    assert.equal(readdirSync(join(rig.home, "spaces")).length, 2);
    for (const chatId of ["ada", "before"]) await rig.switchboard.stop(chatId);
  });

  test("ends with Switchboard, and what a killed daemon leaves of it is gone at the next start", async (t) => {
    const rig = await startDaemonRig(t, { config });
    await rig.ask("ada", "Hello");
    const running = join(rig.home, "running");
    const spares = () => readdirSync(running).filter((name) => name.endsWith(".spare"));
    const [left] = await eventually("a spare was started", () =>
      spares().length > 0 ? spares() : undefined,
    );
    const space = join(rig.home, "spaces", left?.replace(".spare", "") ?? assert.fail());
    await eventually("it has a space", () => existsSync(space));
    await rig.kill();
    await rig.start();
    assert.equal(existsSync(space), false);
    await eventually("another was started", () => spares().length === 1 && spares()[0] !== left);
    assert.equal(await rig.stop(), 0);
    assert.deepEqual(readdirSync(running), []);
    assert.equal(readdirSync(join(rig.home, "spaces")).length, 1);
  });
});
