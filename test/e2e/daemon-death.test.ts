/** The daemon may be killed at any moment: it leaves no process, and no message without an end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually, meanwhile } from "../support/eventually.ts";
import { open } from "../support/model.ts";
import { isAlive, processesNaming, signal, stateOf } from "../support/processes.ts";

/** ms within which everything that a killed daemon had started is gone. */
const goneWithinMs = 5000;

describe("after kill -9 of the daemon", () => {
  test("its processes are gone within 5 s, idle or not, with their tools; each chat goes on as it was", async (t) => {
    const rig = await startDaemonRig(t);
    const mark = join(rig.folder, "marks-the-tool");
    const chats = ["idle", "streams", "hangs", "digs"];
    await Promise.all(chats.map((chatId) => rig.ask(chatId, "one")));
    const sessions = await Promise.all(chats.map(async (chatId) => (await rig.chat(chatId)).sessionId));
    const offs = [
      rig.script("Stream", { kind: "text", text: "Half an answer", hold: Promise.withResolvers().promise }),
      rig.script("Hang", { kind: "hang" }),
    ];
    const dig = { command: `sh -c 'while :; do sleep 0.1; done' ${mark}` };
    offs.push(rig.script("Dig", { kind: "tool", name: "Bash", input: dig }));
    const messages = [
      await rig.tell("streams", "Stream"),
      await rig.tell("hangs", "Hang"),
      await rig.tell("digs", "Dig"),
    ];
    await eventually("the tool runs", () => processesNaming(mark).length > 0);
    for (const message of messages) await rig.inTranscript(message);
    assert.equal(rig.claudes().length, 4);

    await rig.kill();
    await eventually(
      "everything that it had started is gone",
      () => rig.processes().length === 0 && processesNaming(mark).length === 0,
      goneWithinMs,
    );

    for (const off of offs) off();
    await rig.start();
    for (const message of messages) {
      const { status, tries, reply } = await rig.ended(message);
      assert.deepEqual([status, tries, reply?.answers], ["answered", 2, [message.id]]);
      assert.deepEqual(open(await rig.requestWith(message.text)), [message.text]);
    }
    for (const [at, chatId] of chats.entries()) {
      assert.match((await rig.ask(chatId, "What did I say?")) ?? "", /"one"\.$/);
      assert.equal((await rig.chat(chatId)).sessionId, sessions[at]);
    }
  });

  test("a stopped process, which nothing else can end, is gone before its session is resumed", async (t) => {
    const rig = await startDaemonRig(t);
    await rig.ask("frozen", "one");
    const pid = await rig.pid("frozen");
    signal(pid, "SIGSTOP");
    await eventually("it is stopped", () => stateOf(pid) === "T");
    // Open at the death, and in no transcript: the next daemon resumes the session for it.
    const message = await rig.tell("frozen", "two");
    await rig.kill();
    assert.equal(stateOf(pid), "T");

    const together = meanwhile(t, () => (isAlive(pid) ? rig.claudes().length : 0));
    await rig.start();
    const { status, reply } = await rig.ended(message);
    assert.equal(isAlive(pid), false);
    assert.equal(Math.max(...(await together())), 1, "two processes lived at once on one session");
    assert.deepEqual([status, reply?.text], ["answered", 'You said: "two". I remember 1 earlier message.']);
  });

  test("every message that was accepted gets its one end after the next start", async (t) => {
    const rig = await startDaemonRig(t);
    await rig.ask("chat", "one");
    const off = rig.script("Hang", { kind: "hang" });
    const running = await rig.tell("chat", "Hang", { route: 1 });
    await rig.inTranscript(running);
    const queued = await rig.tell("chat", "queued", { route: 2 });
    assert.equal((await rig.message(queued)).status, "queued");
    await rig.ask("other", "one");
    signal(await rig.pid("other"), "SIGSTOP");
    const sent = await rig.tell("other", "sent");
    assert.equal((await rig.message(sent)).status, "sent");
    const burst = await Promise.all(Array.from({ length: 5 }, (_, n) => rig.tell(`new ${n}`, "Hello")));
    await rig.kill();

    off();
    await rig.start();
    for (const message of [running, queued, sent, ...burst]) {
      const ended = await rig.ended(message);
      assert.deepEqual([ended.status, ended.reply?.answers], ["answered", [message.id]], ended.chatId);
    }
  });

  test("a stop word that was accepted is still obeyed", async (t) => {
    const channel = 'type = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = "sixteen characters"';
    const rig = await startDaemonRig(t, { config: `[channels.hook]\n${channel}` });
    await rig.ask("chat", "one");
    const off = rig.script("Hang", { kind: "hang" });
    const running = await rig.tell("chat", "Hang", { channel: "hook" });
    await rig.requestWith("Hang");
    await rig.inTranscript(running);
    // So the stop is still under way at the death.
    signal(await rig.pid("chat"), "SIGSTOP");
    const word = await rig.tell("chat", "stop", { channel: "hook" });
    await rig.kill();
    off();
    await rig.start();
    const ends = await Promise.all([rig.ended(running), rig.ended(word)]);
    assert.deepEqual(
      ends.map(({ status, ran }) => [status, ran]),
      [
        ["stopped", true],
        ["stopped", false],
      ],
    );
    assert.match((await rig.ask("chat", "Are you there?")) ?? "", /^You said: "Are you there\?"/);
    const asking = rig.model.requests().filter((request) => open(request).includes("Hang"));
    assert.equal(asking.length, 1);
  });
});

describe("an orderly end", () => {
  test("lets the running turn finish, leaves no process, and keeps what waits for the next start", async (t) => {
    const rig = await startDaemonRig(t);
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.script("Count", { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
    const message = await rig.tell("chat", "Count");
    await rig.requestWith("Count");
    const waiting = await rig.tell("chat", "Hello", { route: 1 });
    const stopped = rig.stop();
    await rig.draining();
    resolve();
    assert.equal(await stopped, 0);
    assert.deepEqual(rig.processes(), []);
    await rig.start();
    assert.equal((await rig.message(message)).reply?.text, "one two");
    assert.equal((await rig.ended(waiting)).reply?.text, 'You said: "Hello". I remember 1 earlier message.');
  });

  test("is immediate at the second signal", async (t) => {
    const rig = await startDaemonRig(t);
    const off = rig.script("Hang", { kind: "hang" });
    const message = await rig.tell("chat", "Hang");
    await rig.requestWith("Hang");
    await rig.inTranscript(message);
    const begun = performance.now();
    assert.equal(await rig.stop({ twice: true }), 0);
    // Far below the 30 s that a turn is given.
    assert.ok(performance.now() - begun < 15_000);
    assert.deepEqual(rig.processes(), []);
    off();
    await rig.start();
    const { status, tries } = await rig.ended(message);
    assert.deepEqual([status, tries], ["answered", 2]);
  });
});
