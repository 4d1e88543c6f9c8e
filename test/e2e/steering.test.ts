/** What happens to a message that comes while Claude is at work on another. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ReplyView } from "../../src/index.ts";
import { history } from "../offline/history.ts";
import { open } from "../support/model.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const admin = { contact: { tier: "admin" } };

/** The model calls a tool on `text`, which runs until `release` is called. */
function longTool(text: string) {
  const file = join(rig.folder, `release-${text}`);
  const command = `until [ -e '${file}' ]; do sleep 0.1; done; echo released`;
  rig.script(text, { kind: "tool", name: "Bash", input: { command } });
  return () => writeFileSync(file, "");
}

/** The model streams half of an answer to `text`, the other half when `release` is called. */
function longAnswer(text: string, tokens: [string, string]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script(text, { kind: "text", text: tokens.join(""), tokens, hold: promise });
  return resolve;
}

test("a message that comes while a tool runs is seen in the same turn, and one reply answers both", async () => {
  const release = longTool("Build it");
  const first = await rig.tell("tool", "Build it", admin);
  await rig.journal.until("tool", "tool", ({ state }) => state === "started");
  const second = await rig.tell("tool", "And test it");
  await rig.inLine("tool", 1);
  release();

  const reply = answerOf(await rig.ended(first));
  assert.deepEqual(answerOf(await rig.ended(second)), reply);
  assert.deepEqual(reply.answers, [first.id, second.id]);
  assert.equal(
    reply.text,
    'You said: "Build it". I remember no earlier messages.\nYou said: "And test it". I remember 1 earlier message.',
  );
  const requests = await rig.requests("tool");
  assert.deepEqual(requests.map(open), [["Build it"], ["Build it", "And test it"]]);
  assert.deepEqual(
    rig.journal.of("tool", "turn").map(({ state, messageIds }) => [state, messageIds]),
    [
      ["started", [first.id]],
      ["joined", [second.id]],
      ["answered", [first.id, second.id]],
    ],
  );
});

test("a message that comes while text streams becomes the next turn", async () => {
  const release = longAnswer("Tell me a story", ["Once upon a time", " there was a fox."]);
  const first = await rig.tell("story", "Tell me a story");
  await rig.journal.until("story", "text");
  const second = await rig.tell("story", "Make it short");
  await rig.sent(second);
  release();
  assert.equal(answerOf(await rig.ended(first)).text, "Once upon a time there was a fox.");
  const reply = answerOf(await rig.ended(second));
  assert.deepEqual(reply.answers, [second.id]);
  assert.equal(reply.text, 'You said: "Make it short". I remember 1 earlier message.');
});

test("three messages that wait for the end of a turn share the next one and its reply", async () => {
  const release = longAnswer("Count", ["one, two,", " three"]);
  const first = await rig.tell("count", "Count");
  await rig.journal.until("count", "text");
  const later = [];
  for (const text of ["faster", "louder", "again"]) later.push(await rig.tell("count", text));
  await rig.inLine("count", later.length);
  release();
  assert.deepEqual(answerOf(await rig.ended(first)).answers, [first.id]);
  const replies = await Promise.all(later.map(async (message) => answerOf(await rig.ended(message))));
  assert.equal(new Set(replies.map(({ id }) => id)).size, 1);
  assert.deepEqual(
    replies[0]?.answers,
    later.map(({ id }) => id),
  );
  assert.deepEqual(open(await rig.lastRequest("count")), ["faster", "louder", "again"]);
});

test("a message whose reply goes another way does not join the running turn", async () => {
  const release = longTool("Deploy it");
  const first = await rig.tell("routes", "Deploy it", { ...admin, route: { device: "phone" } });
  await rig.journal.until("routes", "tool", ({ state }) => state === "started");
  const second = await rig.tell("routes", "What is up?", { route: { device: "laptop" } });
  assert.equal(second.status, "queued");
  release();
  assert.deepEqual(answerOf(await rig.ended(first)).answers, [first.id]);
  assert.deepEqual(answerOf(await rig.ended(second)).answers, [second.id]);
  assert.deepEqual((await rig.requests("routes")).map(open), [["Deploy it"], ["Deploy it"], ["What is up?"]]);
});

test("in a hail of messages to three chats each is answered once, by a reply that speaks of it, in order", async () => {
  const chats = ["hail 1", "hail 2", "hail 3"];
  const told = await Promise.all(
    chats.map(async (chatId) => {
      const messages = [];
      for (let n = 1; n <= 12; n += 1) messages.push(await rig.tell(chatId, `${chatId} says ${n}`));
      return messages;
    }),
  );
  for (const messages of told) {
    const replies = new Map<string, ReplyView>();
    for (const message of messages) {
      const reply = answerOf(await rig.ended(message));
      replies.set(reply.id, reply);
    }
    const textOf = new Map(messages.map(({ id, text }) => [id, text]));
    for (const { text, answers } of replies.values()) {
      const spokenOf = [...text.matchAll(/^You said: "(.*?)"/gm)].map(([, said]) => said);
      assert.deepEqual(
        spokenOf,
        answers.map((id) => textOf.get(id)),
      );
    }
    const answered = [...replies.values()].flatMap(({ answers }) => answers);
    assert.deepEqual(
      answered,
      messages.map(({ id }) => id),
    );
  }
});

test("in a group the speaker's name stands before the text", async () => {
  const contact = { tier: "family", name: "The Bridge Club", group: true };
  await rig.say("group", "I deal", { contact, sender: { id: "1", name: "Ada" } });
  await rig.say("group", "I pass", { contact, sender: { id: "2", name: "Ben" } });
  assert.deepEqual(
    history((await rig.lastRequest("group")).body).map(({ blocks }) => blocks),
    [
      [
        'Contact facts from Switchboard: {"name":"The Bridge Club","tier":"family","kind":"group"}',
        "Ada: I deal",
      ],
      ['You said: "Ada: I deal". I remember no earlier messages.'],
      ["Ben: I pass"],
    ],
  );
});

test("the contact's facts come with the first message, and again only when they have changed", async () => {
  const facts = (name: string) =>
    `Contact facts from Switchboard: {"name":"${name}","tier":"family","kind":"person"}`;
  const contact = { tier: "family", name: "Ada" };
  await rig.say("facts", "one", { contact });
  await rig.say("facts", "two", { contact });
  await rig.switchboard.closeChat("facts");
  await rig.say("facts", "three", { contact });
  await rig.switchboard.putContact("facts", { name: "Ada Lovelace" });
  await rig.say("facts", "four");
  await rig.say("facts", "five", { contact: { name: "The Countess" } });
  assert.deepEqual(
    history((await rig.lastRequest("facts")).body)
      .filter(({ role }) => role === "user")
      .map(({ blocks }) => blocks),
    [
      [facts("Ada"), "one"],
      ["two"],
      ["three"],
      [facts("Ada Lovelace"), "four"],
      [facts("The Countess"), "five"],
    ],
  );
});
