/**
 * What becomes of a message that comes while a turn runs, as the tier or the chat says; and of a stop word, which passes
 * everything. What happens with steering, which is the default, is in steering.test.ts.
 */
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import type { Channel, ChannelHost, MessageView, OutboundReply } from "../../src/index.ts";
import type { Json } from "../../src/views.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/model.ts";
import { signal } from "../support/processes.ts";
import { answerOf, startRig } from "../support/rig.ts";

/** Keeps what is sent to it. */
class Pigeon implements Channel {
  readonly name = "pigeon";
  readonly afterCrash = "resend";
  readonly stopWords = ["stop", "/halt"];
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

  async brings(chatId: string, text: string, route: Json = null): Promise<MessageView> {
    assert.ok(this.#host);
    const contact = { tier: "favorite" };
    return (await this.#host.receive(chatId, { text, route, contact })).message;
  }

  /** What it was given about the message. */
  async carried({ id }: MessageView): Promise<OutboundReply> {
    return await eventually("the pigeon has carried it", () =>
      this.sent.find(({ answers }) => answers.includes(id)),
    );
  }
}

const pigeon = new Pigeon();
const rig = await startRig(
  { after },
  {
    config: [
      // One of the processes is made to hang for a moment, which nobody shall notice.
      "processes.health_check_seconds = 3600",
      'tiers.family.queue_mode = "queue"',
      'tiers.favorite.queue_mode = "steer"',
      'tiers.bots.queue_mode = "collect"',
      'tiers.partner.queue_mode = "interrupt"',
    ].join("\n"),
    channels: [pigeon],
  },
);

/** The chat has a process whose turn streams half of an answer to `text`; the other half comes when `release` is called. */
async function busy(chatId: string, text: string, tier: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script(text, { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
  const running = await rig.tell(chatId, text, { contact: { tier } });
  await rig.journal.until(chatId, "text");
  return { running, release: resolve };
}

async function waitingOf({ id }: MessageView) {
  return (await rig.switchboard.message(id)).waiting;
}

/** The messages of each turn that was answered, by their texts. */
async function turns(chatId: string): Promise<string[][]> {
  const history = await rig.switchboard.history(chatId);
  const textOf = new Map(history.map((row) => [row.id, row.text]));
  return rig.journal
    .of(chatId, "turn")
    .filter(({ state }) => state === "answered")
    .map(({ messageIds }) => messageIds.map((id) => textOf.get(id) ?? id));
}

describe("queue", () => {
  test("each message has a turn of its own, in the order in which they came", async () => {
    const { running, release } = await busy("queue", "Count", "family");
    const later = [];
    for (const text of ["two", "three"]) later.push(await rig.tell("queue", text));
    for (const message of later) {
      assert.equal(message.status, "queued");
      assert.deepEqual(await waitingOf(message), { for: "model", plan: "next" });
    }
    release();
    for (const message of [running, ...later]) {
      assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
    }
    assert.deepEqual((await rig.requests("queue")).map(open), [["Count"], ["two"], ["three"]]);
  });

  test("but not in a chat whose contact says otherwise", async () => {
    const { running, release } = await busy("overridden", "Count up", "family");
    await rig.switchboard.putContact("overridden", { queueMode: "interrupt" });
    const second = await rig.tell("overridden", "Stop counting");
    assert.equal((await rig.ended(running)).status, "stopped");
    release();
    assert.deepEqual(answerOf(await rig.ended(second)).answers, [second.id]);
  });
});

test("collect: a burst becomes one turn, whose reply answers all of it", async () => {
  const { running, release } = await busy("collect", "Collect", "bots");
  const burst: MessageView[] = [];
  for (const text of ["first", "second", "third"]) burst.push(await rig.tell("collect", text));
  for (const message of burst) assert.deepEqual(await waitingOf(message), { for: "model", plan: "collect" });
  release();
  assert.deepEqual(answerOf(await rig.ended(running)).answers, [running.id]);
  const replies = await Promise.all(burst.map(async (message) => answerOf(await rig.ended(message))));
  assert.deepEqual(
    replies.map(({ answers }) => answers),
    burst.map(() => burst.map(({ id }) => id)),
  );
  assert.equal(new Set(replies.map(({ id }) => id)).size, 1);
  assert.deepEqual((await rig.requests("collect")).map(open), [["Collect"], ["first", "second", "third"]]);
  assert.deepEqual(await turns("collect"), [["Collect"], ["first", "second", "third"]]);

  // Nothing runs: whether more will come is waited for.
  const later: MessageView[] = [];
  for (const text of ["fourth", "fifth"]) later.push(await rig.tell("collect", text));
  for (const message of later) {
    assert.deepEqual(
      answerOf(await rig.ended(message)).answers,
      later.map(({ id }) => id),
    );
  }
});

test("interrupt: the running turn ends, and the message that came is the next one", async () => {
  const { running, release } = await busy("interrupt", "Tell it all", "partner");
  const pid = await rig.pid("interrupt");
  signal(pid, "SIGSTOP");
  const second = await rig.tell("interrupt", "No, in short");
  assert.deepEqual(await waitingOf(second), { for: "model", plan: "interrupt" });
  signal(pid, "SIGCONT");
  const stopped = await rig.ended(running);
  release();
  assert.deepEqual([stopped.status, stopped.ran, stopped.reply], ["stopped", true, null]);
  assert.deepEqual(answerOf(await rig.ended(second)).answers, [second.id]);
  assert.equal(rig.starts("interrupt"), 1);
});

test("steer: a message whose reply goes another way cannot join, and has the next turn", async () => {
  const { running, release } = await busy("steer", "Steer", "favorite");
  const second = await rig.tell("steer", "On the other line", { route: { line: 2 } });
  assert.deepEqual(await waitingOf(second), { for: "model", plan: "next" });
  release();
  for (const message of [running, second]) {
    assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
  }
});

describe("a stop word", () => {
  beforeEach(() => pigeon.sent.splice(0));

  /** It was never shown to the model, ended stopped, and its notice went where it had come from. */
  async function assertObeyed(word: MessageView, says: string): Promise<void> {
    const { status, ran, reply } = await rig.ended(word);
    assert.deepEqual([status, ran, reply], ["stopped", false, null]);
    const { kind, text, route, answers } = await pigeon.carried(word);
    assert.deepEqual([kind, text, route, answers], ["notice", says, { perch: 1 }, [word.id]]);
    for (const request of await rig.requests(word.chatId)) assert.ok(!open(request).includes(word.text));
  }

  test("passes the queue: the running turn and what waits end, and the next message is answered", async () => {
    const { promise } = Promise.withResolvers<void>();
    rig.script("Recite", { kind: "text", text: "one two", tokens: ["one", " two"], hold: promise });
    const running = await pigeon.brings("recital", "Recite", { perch: 1 });
    await rig.journal.until("recital", "text");
    const waiting = await pigeon.brings("recital", "And sing", { perch: 2 });
    const word = await pigeon.brings("recital", " Stop! ", { perch: 1 });
    await assertObeyed(word, "Stopped: what I was working on and 1 waiting message.");
    assert.deepEqual(
      (await Promise.all([running, waiting].map((message) => rig.ended(message)))).map(({ status, ran }) => [
        status,
        ran,
      ]),
      [
        ["stopped", true],
        ["stopped", false],
      ],
    );
    const next = await pigeon.brings("recital", "Are you there?", { perch: 3 });
    const { kind, text, route } = await pigeon.carried(next);
    assert.deepEqual([kind, route], ["answer", { perch: 3 }]);
    assert.match(text, /^You said: "Are you there\?"/);
    assert.equal(rig.starts("recital"), 1);
  });

  test("stops a message whose process is still starting", async () => {
    const message = await pigeon.brings("starting", "Hello", { perch: 1 });
    await rig.journal.until("starting", "process", ({ state }) => state === "started");
    const word = await pigeon.brings("starting", "/halt", { perch: 1 });
    await assertObeyed(word, "Stopped: 1 waiting message.");
    const { status, ran } = await rig.ended(message);
    assert.deepEqual([status, ran], ["stopped", false]);
  });

  test("finds nothing to stop in a chat that is at rest, and starts no process", async () => {
    await rig.ended(await pigeon.brings("quiet", "Hello"));
    await rig.switchboard.closeChat("quiet");
    const starts = rig.starts("quiet");
    const word = await pigeon.brings("quiet", "STOP", { perch: 1 });
    await assertObeyed(word, "There was nothing to stop.");
    assert.equal(rig.starts("quiet"), starts);
  });

  test("is an ordinary word among others, and in a message that came another way", async () => {
    const among = await rig.ended(await pigeon.brings("words", "stop it"));
    assert.match(answerOf(among).text, /^You said: "stop it"/);
    assert.match(await rig.ask("words", "stop"), /^You said: "stop"/);
  });
});
