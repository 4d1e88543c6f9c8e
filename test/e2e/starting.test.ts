/** Processes are started by a chat's first message: once for each chat, and side by side for several. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually, meanwhile } from "../support/eventually.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after }, { config: "processes.max_starts = 2" });
const contact = { tier: "family" };

test("ten first messages at once start one process and are all answered, in their order", async () => {
  const texts = Array.from({ length: 10 }, (_, i) => `message ${i}`);
  const receipts = await Promise.all(texts.map((text) => rig.switchboard.receive("many", { text, contact })));
  const replies = new Map<string, string[]>();
  for (const { message } of receipts) {
    const reply = answerOf(await rig.ended(message));
    replies.set(reply.id, reply.answers);
  }
  assert.deepEqual([...replies.values()].flat().sort(), receipts.map(({ message }) => message.id).sort());
  assert.equal(rig.starts("many"), 1);
  assert.equal(
    await rig.ask("many", "What did I say?"),
    `You said, newest first: ${texts
      .reverse()
      .map((text) => `"${text}"`)
      .join(", ")}.`,
  );
});

test("two chats start side by side", async () => {
  await Promise.all(["left", "right"].map((chatId) => rig.say(chatId, "Hello")));
  const [left, right] = ["left", "right"].map((chatId) => ({
    spawned: rig.journal.of(chatId, "process").find(({ state }) => state === "started")?.seq,
    running: rig.journal.of(chatId, "turn").find(({ state }) => state === "started")?.seq,
  }));
  assert.ok(left?.spawned && left.running && right?.spawned && right.running);
  assert.ok(
    Math.max(left.spawned, right.spawned) < Math.min(left.running, right.running),
    "one chat's process was running before the other's was spawned",
  );
});

test("a chat whose model hangs holds up no other", async () => {
  rig.script("Think hard", { kind: "hang" });
  const hanging = await rig.tell("stuck", "Think hard");
  await rig.requestWith("Think hard");
  await rig.ask("free", "Hello");
  await rig.ask("free", "Hello again");
  assert.deepEqual((await rig.switchboard.message(hanging.id)).waiting, { for: "model" });
  await rig.switchboard.stop("stuck");
});

test("at most `max_starts` processes start at once", async (t) => {
  const narrow = await startRig(t, { config: "processes.max_starts = 1" });
  const chats = ["one", "two", "three"];
  const starting = async () => {
    const views = await Promise.all(chats.map((chatId) => narrow.chat(chatId).catch(() => null)));
    return views.flatMap((view) => (view?.state === "starting" ? (view.process?.generation ?? []) : []));
  };
  let before: number[] = [];
  const counts = meanwhile(t, async () => {
    const now = await starting();
    // What was starting in both looks was so between them, all at the same time.
    const both = now.filter((generation) => before.includes(generation));
    before = now;
    return both.length;
  });
  await Promise.all(chats.map((chatId) => narrow.say(chatId, "Hello")));
  assert.equal(Math.max(...(await counts())), 1);
});

test("after a restart the chats of late have their processes again, the latest first, as far as there is room", async (t) => {
  const config = "processes.max = 2\nprocesses.resume_recent = 16";
  const early = await startRig(t, { config });
  for (const chatId of ["first", "second", "third"]) await early.say(chatId, `I am ${chatId}`);
  await early.switchboard.putContact("named, and never wrote", { tier: "family" });
  await early.close();
  const before = early.journal.of("third", "process").at(-1)?.seq ?? Number.NaN;
  await early.open(config);
  for (const chatId of ["third", "second"]) {
    await eventually(`${chatId} is resumed`, async () => (await early.chat(chatId)).state === "idle");
  }
  const [third, second, first] = ["third", "second", "first"].map((chatId) =>
    early.journal.of(chatId, "process").filter(({ seq, state }) => seq > before && state === "started"),
  );
  assert.deepEqual([third?.length, second?.length, first?.length], [1, 1, 0]);
  assert.ok((third?.[0]?.seq ?? 0) < (second?.[0]?.seq ?? 0));
  assert.deepEqual([third?.[0]?.reason, (await early.chat("first")).state], ["wake", "dormant"]);
  assert.equal(await early.ask("third", "What did I say?"), 'You said, newest first: "I am third".');
  assert.equal(early.journal.of("third", "process").filter(({ seq }) => seq > before).length, 2);
});

test("what is resumed early takes nobody's place: a chat is not woken when all are taken", async (t) => {
  const full = await startRig(t, { config: "processes.max = 1" });
  await full.say("dormant", "one");
  await full.say("live", "one");
  const pid = await full.pid("live");
  assert.equal((await full.switchboard.wake("dormant")).did, "nothing");
  assert.deepEqual([(await full.chat("dormant")).state, await full.pid("live")], ["dormant", pid]);
});
