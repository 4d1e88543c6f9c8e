/** A tool that needs a person's yes waits for it, for as long as it may, beyond the end of its process and of the daemon. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Channel, ChannelHost, OutboundReply } from "../../src/channels/index.ts";
import type { MessageView } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { toolResult } from "../support/model.ts";
import { answerOf, startRig } from "../support/rig.ts";

/** By which an operator writes. */
class Pager implements Channel {
  readonly name = "pager";
  readonly afterCrash = "resend";
  readonly stopWords = ["stop"];
  readonly sent: OutboundReply[] = [];
  #host: ChannelHost | null = null;

  async start(host: ChannelHost): Promise<void> {
    this.#host = host;
  }

  async send(reply: OutboundReply) {
    this.sent.push(reply);
    return { kind: "sent" as const };
  }

  async stop(): Promise<void> {}

  async brings(chatId: string, text: string, contact = {}): Promise<MessageView> {
    assert.ok(this.#host);
    return (await this.#host.receive(chatId, { text, contact: { tier: "admin", ...contact } })).message;
  }

  /** The first text to the chat that has not been asked for, and fits. */
  async tells(chatId: string, pattern: RegExp): Promise<string> {
    return await eventually(`${chatId} is told ${pattern}`, () => {
      const at = this.sent.findIndex((reply) => reply.chatId === chatId && pattern.test(reply.text));
      return at === -1 ? undefined : this.sent.splice(at, 1)[0]?.text;
    });
  }
}

const pager = new Pager();
const rig = await startRig({ after }, { channels: [pager] });
const config = (seconds = 600) => `approvals = { wait_seconds = ${seconds}, chat = "boss" }
  [tiers.admin.commands]
  allow = ["touch *"]
  ask = ["touch made *", "touch late"]
  deny = []`;
await rig.reopen(config());

const touch = (text: string, command: string, times = 1) =>
  rig.script(
    text,
    ...Array.from({ length: times }, () => ({ kind: "tool" as const, name: "Bash", input: { command } })),
  );
const asked = async () => {
  const [question] = await eventually("somebody is asked", async () => {
    const pending = await rig.switchboard.pendingApprovals();
    return pending.length > 0 && pending;
  });
  return question ?? assert.fail();
};
const made = async (name: string) => existsSync(join(await rig.workFolder("ada"), name));
const told = () =>
  rig.journal.of("ada", "notice").flatMap(({ code }) => (code.startsWith("approval_") ? [code] : []));

test("the message waits for it, and a yes lets that very call run, once", async () => {
  const off = touch("Make it", "touch made one");
  const message = await rig.tell("ada", "Make it", { contact: { tier: "admin" } });
  const question = await asked();
  const { waiting } = await rig.switchboard.message(message.id);
  assert.deepEqual(waiting, { for: "approval", until: question.until });
  assert.deepEqual(
    [question.chatId, question.messageId, question.tool, JSON.parse(question.input).command],
    ["ada", message.id, "Bash", "touch made one"],
  );
  assert.equal(await made("one"), false);
  assert.equal((await rig.switchboard.approve(question.id, { by: "Ann" })).decidedBy, "Ann");
  answerOf(await rig.ended(message));
  assert.equal(await made("one"), true);
  assert.equal((await rig.chat("ada")).state, "idle");
  await assert.rejects(rig.switchboard.approve(question.id), { code: "not_found" });
  assert.deepEqual(told(), ["approval_asked", "approval_approved"]);
  off();
});

test("a no is told to Claude, and the call is not run", async () => {
  const off = touch("Make two", "touch made two");
  const message = await rig.tell("ada", "Make two");
  await rig.switchboard.deny((await asked()).id);
  answerOf(await rig.ended(message));
  assert.match(toolResult(await rig.lastRequest("ada")).text, /A person was asked and said no/);
  assert.equal(await made("two"), false);
  off();
});

test("a stop withdraws the question", async () => {
  const off = touch("Make three", "touch made three");
  const message = await rig.tell("ada", "Make three");
  const { id } = await asked();
  await rig.switchboard.stop("ada");
  assert.equal((await rig.ended(message)).status, "stopped");
  assert.deepEqual(await rig.switchboard.pendingApprovals(), []);
  await assert.rejects(rig.switchboard.approve(id), { code: "not_found" });
  assert.equal(await made("three"), false);
  off();
});

test("the question outlives its process and the daemon, and its answer counts for the turn that is taken up", async () => {
  // Claude sees that its call was cut off, and makes it again.
  const off = touch("Make four", "touch made four", 2);
  const message = await rig.tell("ada", "Make four");
  const before = await asked();
  await rig.close({ hurry: true });
  await rig.open(config());
  const question = await asked();
  assert.deepEqual([question.id, question.until], [before.id, before.until]);
  await rig.switchboard.approve(question.id);
  answerOf(await rig.ended(message));
  assert.equal(await made("four"), true);
  assert.equal(told().filter((code) => code === "approval_asked").length, 4);
  off();
});

test("an operator's chat is asked, too, and its answer is for nobody's model", async () => {
  const off = touch("Make it again", "touch made again");
  await rig.ended(await pager.brings("boss", "Hello", { name: "Boss" }));
  const message = await rig.tell("ada", "Make it again");
  const asks = await pager.tells("boss", /May Claude call Bash for the chat "ada"\?\n.*touch made again/);
  const code = /"yes ([0-9a-f]{6})"/.exec(asks)?.[1] ?? assert.fail(asks);
  const { id } = await asked();
  assert.ok(id.endsWith(code));

  // Nobody but that chat, and nothing but that code.
  await rig.ended(await pager.brings("eve", `yes ${code}`));
  await rig.ended(await pager.brings("boss", "yes ffffff"));
  await pager.tells("boss", /No question with the code ffffff/);
  await rig.ended(await pager.brings("boss", `yes ${code}`, { group: true }));
  await pager.tells("boss", /in a chat with one person only/);
  assert.equal((await rig.switchboard.pendingApprovals()).length, 1);

  const answer = await rig.ended(await pager.brings("boss", ` YES ${code}. `, { group: false }));
  assert.deepEqual([answer.status, answer.ran], ["stopped", false]);
  await pager.tells("boss", /^Allowed: Bash, for ada\.$/);
  answerOf(await rig.ended(message));
  assert.equal(await made("again"), true);
  const heard = await Promise.all(["boss", "ada", "eve"].map((chatId) => rig.requests(chatId)));
  const saying = heard.map(
    (requests) => requests.filter((each) => JSON.stringify(each).includes(code)).length,
  );
  assert.deepEqual(saying, [0, 0, 1], "only what Eve said is for a model");
  off();
});

test("without an answer in time it is denied", async () => {
  await rig.reopen(config(0.2));
  touch("Make it late", "touch late");
  answerOf(await rig.say("ada", "Make it late"));
  assert.match(toolResult(await rig.lastRequest("ada")).text, /has not answered in time/);
  assert.equal(await made("late"), false);
  assert.equal(told().at(-1), "approval_expired");
});

test("what an operator was asked about a chat is forgotten with it", async () => {
  const off = touch("Make late", "touch late");
  const message = await rig.tell("ada", "Make late");
  await pager.tells("boss", /touch late/);
  await rig.ended(message);
  await rig.switchboard.forget("ada");
  const history = await rig.switchboard.history("boss");
  assert.ok(!JSON.stringify(history).includes("touch"));
  assert.match(JSON.stringify(history), /a chat that has been forgotten since/i);
  off();
});
