/** Processes are bounded: who finds no slot waits in order of arrival, and idle processes make room. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eventually, meanwhile } from "../support/eventually.ts";
import { answerOf, type Rig, startRig } from "../support/rig.ts";

/** The model hangs on `text` until `release` is called. */
function gate(rig: Rig, text: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script(text, { kind: "gate", until: promise, step: { kind: "text", text: "Done." } });
  return resolve;
}

function oneSlot(t: TestContext): Promise<Rig> {
  return startRig(t, { config: "processes.max = 1" });
}

test("with one slot the others wait in order, say so, and are served as it becomes free", async (t) => {
  const rig = await oneSlot(t);
  const counts = meanwhile(t, () => rig.claudes().length);
  const release = gate(rig, "Work");
  const first = await rig.tell("first", "Work");
  await rig.requestWith("Work");
  const waiting = [];
  for (const [at, chatId] of ["second", "third", "fourth"].entries()) {
    const message = await rig.tell(chatId, "Hello");
    waiting.push(message);
    const view = await eventually("it waits for a slot", async () => {
      const now = await rig.switchboard.message(message.id);
      return now.waiting?.for === "slot" ? now : undefined;
    });
    assert.deepEqual([view.status, view.waiting], ["queued", { for: "slot", position: at + 1 }]);
  }
  release();
  assert.equal(answerOf(await rig.ended(first)).text, "Done.");
  for (const message of waiting) answerOf(await rig.ended(message));
  const order = ["second", "third", "fourth"].map(
    (chatId) => rig.journal.of(chatId, "reply")[0]?.seq ?? Number.NaN,
  );
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.equal(Math.max(...(await counts())), 1);
});

test("a chat that never stops writing does not keep the slot from another", async (t) => {
  const rig = await oneSlot(t);
  await rig.say("busy", "Hello");
  const release = gate(rig, "Work");
  const first = await rig.tell("busy", "Work", { route: 0 });
  await rig.requestWith("Work");
  const other = await rig.tell("quiet", "Hello");
  // Each of these waits for the turn of the one before: the chat is not idle until the last has ended.
  const more = [];
  for (let n = 1; n <= 20; n += 1) more.push(await rig.tell("busy", `more ${n}`, { route: n }));
  release();
  const seqOf = async (message: { chatId: string; id: string }) => {
    answerOf(await rig.ended(message));
    const end = await rig.journal.until(
      message.chatId,
      "message",
      (event) => event.message.id === message.id && event.message.status === "answered",
    );
    return end.seq;
  };
  const ends = await Promise.all([first, ...more].map(seqOf));
  const served = await seqOf(other);
  assert.ok(
    ends.some((end) => end > served),
    "it was served only when the busy chat had nothing more to say",
  );
});

test("of several idle processes the least recently used one makes room", async (t) => {
  const rig = await startRig(t, { config: "processes.max = 2" });
  await rig.say("old", "one");
  await rig.say("new", "one");
  await rig.say("old", "two");
  await rig.say("third", "one");
  assert.deepEqual([(await rig.chat("old")).state, (await rig.chat("new")).state], ["idle", "dormant"]);
  assert.equal(await rig.ask("new", "What did I say?"), 'You said, newest first: "one".');
  assert.equal((await rig.chat("old")).state, "dormant");
});

test("whoever waits for a slot can be stopped, and leaves the line", async (t) => {
  const rig = await oneSlot(t);
  const release = gate(rig, "Work");
  const first = await rig.tell("first", "Work");
  await rig.requestWith("Work");
  const second = await rig.tell("second", "Hello");
  const third = await rig.tell("third", "Hello");
  const position = async () => (await rig.switchboard.message(third.id)).waiting?.position;
  await eventually("the third is second in line", async () => (await position()) === 2);
  assert.deepEqual((await rig.switchboard.stop("second")).stopped, [{ id: second.id, ran: false }]);
  await eventually("the third is next", async () => (await position()) === 1);
  release();
  answerOf(await rig.ended(first));
  answerOf(await rig.ended(third));
  assert.equal(rig.starts("second"), 0);
});

test("when too many wait a new chat is sent away, with nothing kept of it; who has a place is not", async (t) => {
  const rig = await startRig(t, { config: "processes.max = 1\nprocesses.max_waiting = 1" });
  const release = gate(rig, "Work");
  const first = await rig.tell("first", "Work");
  await rig.requestWith("Work");
  const second = await rig.tell("second", "Hello");
  await eventually(
    "it waits",
    async () => (await rig.switchboard.message(second.id)).waiting?.for === "slot",
  );
  const message = { text: "Hello", contact: { tier: "bots" } };
  await assert.rejects(rig.switchboard.receive("third", message), { code: "overloaded" });
  await assert.rejects(rig.switchboard.chat("third"), { code: "not_found" });
  await assert.rejects(rig.switchboard.receive("third", { text: "Hello" }), { code: "refused_contact" });
  const more = [await rig.tell("first", "And this"), await rig.tell("second", "And this")];
  release();
  for (const each of [first, second, ...more]) answerOf(await rig.ended(each));
  answerOf(await rig.say("third", "Hello"));
});

test("four chats share two slots, and all are answered from their own memory", async (t) => {
  const rig = await startRig(t, { config: "processes.max = 2" });
  const counts = meanwhile(t, () => rig.claudes().length);
  const chats = Array.from({ length: 4 }, (_, i) => `chat ${i}`);
  await Promise.all(chats.map((chatId) => rig.say(chatId, `I am in ${chatId}`)));
  const answers = await Promise.all(chats.map((chatId) => rig.ask(chatId, "What did I say?")));
  assert.deepEqual(
    answers,
    chats.map((chatId) => `You said, newest first: "I am in ${chatId}".`),
  );
  assert.ok(Math.max(...(await counts())) <= 2);
});
