/**
 * When the model's API is in trouble, messages wait as long as that may help: nothing is lost, nobody is told twice, and
 * no process is started for nothing.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { MessageView } from "../../src/index.ts";
import type { Step } from "../../src/offline/index.ts";
import { eventually } from "../support/eventually.ts";
import { assertSeenOnce } from "../support/model.ts";
import { answerOf, type Rig, startRig } from "../support/rig.ts";

const overloaded: Step = { kind: "error", status: 529, type: "overloaded_error", message: "Overloaded" };
const refused: Step = {
  kind: "error",
  status: 401,
  type: "authentication_error",
  message: "invalid x-api-key",
};

/** ms. Beyond the longest patience within a conversation. */
const limitMs = 2 * 3_600_000;

/** The account's limit is used up; whole seconds, as the header has it. */
function usedUp(until: Date): Step {
  const headers = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": String(until.getTime() / 1000),
  };
  return {
    kind: "error",
    status: 429,
    type: "rate_limit_error",
    message: "This is over your limit.",
    headers,
  };
}

function resetIn(ms: number): Date {
  return new Date(Math.floor((Date.now() + ms) / 1000) * 1000);
}

/** The API answers every request so, until the returned function makes it well. */
function ail(rig: Rig, step: Step): () => void {
  return rig.model.script(({ kind }) => (kind === "messages" ? step : undefined));
}

/** How often the model has been asked. */
function asked(rig: Rig): number {
  return rig.model.requests().filter(({ kind }) => kind === "messages").length;
}

function notices(rig: Rig, chatId: string): string[] {
  return rig.journal.of(chatId, "reply").flatMap(({ reply }) => (reply.kind === "notice" ? reply.text : []));
}

async function untilParked(rig: Rig, chatId: string): Promise<void> {
  await eventually(`${chatId} is parked`, async () => (await rig.chat(chatId)).state === "parked");
}

async function waitingOf(rig: Rig, { id }: MessageView) {
  return (await rig.switchboard.message(id)).waiting;
}

/** Each has an answer of its own, and they came in this order. */
async function assertAnsweredInOrder(rig: Rig, messages: readonly MessageView[]): Promise<void> {
  const seqs = [];
  for (const message of messages) {
    const ended = await rig.ended(message);
    assert.ok(answerOf(ended).answers.includes(message.id));
    seqs.push(ended.endedAt ?? "");
  }
  assert.deepEqual(seqs, [...seqs].sort());
}

test("an overloaded API is waited out: the message waits for the model, gets its one answer, and the transcript knows of nothing", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  const before = asked(rig);
  const well = ail(rig, overloaded);
  const message = await rig.tell("chat", "two");
  await eventually("it was tried again", () => asked(rig) >= before + 2);
  assert.deepEqual(await waitingOf(rig, message), { for: "model" });
  assert.equal(rig.switchboard.host.trouble?.kind, "transient");
  well();
  const ended = await rig.ended(message);
  assert.equal(answerOf(ended).text, 'You said: "two". I remember 1 earlier message.');
  assert.equal(ended.tries, 1);
  assert.equal(rig.switchboard.host.trouble, null);
  assert.deepEqual(notices(rig, "chat"), []);
  assert.equal(rig.starts("chat"), 1);
  assert.doesNotMatch(readFileSync(await rig.transcript("chat"), "utf8"), /Overloaded|isApiErrorMessage/);
});

test("a usage limit parks every chat: the inbox is kept, each chat is told once, and nothing is started for nothing", async (t) => {
  const rig = await startRig(t);
  const until = resetIn(limitMs);
  await rig.say("busy", "one");
  await rig.say("asleep", "one");
  await rig.switchboard.closeChat("asleep");
  const well = ail(rig, usedUp(until));

  const first = await rig.tell("busy", "two");
  await untilParked(rig, "busy");
  const open = [
    first,
    await rig.tell("busy", "three", { route: 2 }),
    await rig.tell("busy", "four", { route: 3 }),
  ];
  for (const message of open) {
    assert.deepEqual(await waitingOf(rig, message), { for: "limit", until: until.toISOString() });
  }
  assert.equal((await rig.chat("busy")).process, null);
  assert.equal(rig.switchboard.host.trouble?.kind, "limit");

  const [starts, requests] = [rig.starts("asleep"), asked(rig)];
  const elsewhere = await rig.tell("asleep", "two");
  await untilParked(rig, "asleep");
  assert.deepEqual([rig.starts("asleep"), asked(rig)], [starts, requests]);
  for (const chatId of ["busy", "asleep"]) {
    await rig.journal.until(chatId, "reply", ({ reply }) => reply.kind === "notice");
    assert.equal(notices(rig, chatId).length, 1);
    assert.match(notices(rig, chatId)[0] ?? "", /usage limit\. Your message is kept/);
  }

  // The limit is gone, as a new start finds out.
  await rig.close({ hurry: true });
  well();
  await rig.open();
  await assertAnsweredInOrder(rig, open);
  assert.deepEqual(answerOf(await rig.ended(elsewhere)).answers, [elsewhere.id]);
  for (const chatId of ["busy", "asleep"]) assert.equal(notices(rig, chatId).length, 1);
  assertSeenOnce(await rig.requests("busy"), "two", "three", "four");
});

test("when a limit's time is over one message tries, and all are answered, however long the model takes for its first word", {
  timeout: 180_000,
}, async (t) => {
  const rig = await startRig(t);
  for (const chatId of ["one", "two"]) await rig.say(chatId, "before");
  // The next minute, in the API's words: to the minute, and so the soonest limit there can be.
  const until = new Date(Math.ceil((Date.now() + 1000) / 60_000) * 60_000).toISOString();
  const message = `You have reached your specified API usage limits. You will regain access on ${until.slice(0, 10)} at ${until.slice(11, 16)} UTC.`;
  const well = ail(rig, { kind: "error", status: 400, type: "invalid_request_error", message });
  const messages = [await rig.tell("one", "during"), await rig.tell("two", "during")];
  for (const chatId of ["one", "two"]) await untilParked(rig, chatId);
  well();
  rig.model.script(({ kind }) =>
    kind === "messages"
      ? { kind: "gate", until: setTimeout(1500), step: { kind: "text", text: "At last." } }
      : undefined,
  );
  for (const { id } of messages) {
    const { status } = await rig.switchboard.settled(id, { timeoutMs: 100_000 });
    assert.equal(status, "answered");
  }
  assert.equal(rig.switchboard.host.trouble, null);
  // The first process, and the one after the limit.
  for (const chatId of ["one", "two"]) assert.equal(rig.starts(chatId), 2);
});

test("a limit that still holds after a restart is not told again", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  const well = ail(rig, usedUp(resetIn(limitMs)));
  const message = await rig.tell("chat", "two");
  await untilParked(rig, "chat");
  await rig.reopen();
  await untilParked(rig, "chat");
  assert.equal(notices(rig, "chat").length, 1);
  await rig.close({ hurry: true });
  well();
  await rig.open();
  const ended = await rig.ended(message);
  assert.deepEqual(answerOf(ended).answers, [message.id]);
});

test("stop ends a parked message at once", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  ail(rig, usedUp(resetIn(limitMs)));
  const message = await rig.tell("chat", "two");
  await untilParked(rig, "chat");
  const { stopped } = await rig.switchboard.stop("chat");
  assert.deepEqual(
    stopped.map(({ id }) => id),
    [message.id],
  );
  assert.equal((await rig.ended(message)).status, "stopped");
  await eventually("it is dormant", async () => (await rig.chat("chat")).state === "dormant");
});

test("a refused credential holds the line: the operator is told, the messages are kept, and answered when it is accepted", async (t) => {
  const rig = await startRig(t);
  await rig.say("chat", "one");
  const well = ail(rig, refused);
  const messages = [await rig.tell("chat", "two")];
  await untilParked(rig, "chat");
  const { trouble } = rig.switchboard.host;
  assert.deepEqual([trouble?.kind, trouble?.message], ["authentication", "invalid x-api-key"]);
  const requests = asked(rig);
  messages.push(await rig.tell("chat", "three", { route: 2 }));
  for (const message of messages) assert.equal((await waitingOf(rig, message))?.for, "limit");
  assert.equal(asked(rig), requests);
  assert.deepEqual(rig.switchboard.host.trouble, trouble);
  assert.equal(notices(rig, "chat").length, 1);
  // Nothing of the API's words: they are the operator's.
  assert.match(notices(rig, "chat")[0] ?? "", /cannot reach my model at the moment/);
  await rig.close({ hurry: true });
  well();
  await rig.open();
  await assertAnsweredInOrder(rig, messages);
  assertSeenOnce(await rig.requests("chat"), "two", "three");
});
