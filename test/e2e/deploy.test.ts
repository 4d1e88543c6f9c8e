/** A new version takes over from the old one under load: whoever sends until they are told "accepted" loses nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { messageSchema } from "../../src/api/schemas.ts";
import { userMessages } from "../../src/offline/index.ts";
import { type DaemonRig, startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { assertSeenOnce } from "../support/model.ts";

const chats = ["ada", "ben"];

test("messages that come without a pause while the daemon is replaced are each answered once, in order", async (t) => {
  const rig = await startDaemonRig(t);
  await Promise.all(chats.map((chatId) => rig.ask(chatId, "Hello")));
  const sessions = await Promise.all(chats.map(async (chatId) => (await rig.chat(chatId)).sessionId));
  const port = Number(new URL(rig.daemon.url).port);
  const senders = chats.map((chatId) => new Sender(rig, port, chatId));
  t.after(() => Promise.allSettled(senders.map((sender) => sender.stop())));
  const sent = () => Math.min(...senders.map(({ accepted }) => accepted.length));

  await eventually("messages come", () => sent() >= 5);
  assert.equal(await rig.stop(), 0);
  await eventually("they knock in vain", () => senders.every(({ refused }) => refused > 0));
  await rig.start({ port });
  const after = sent();
  await eventually("messages come again", () => sent() >= after + 5);
  await Promise.all(senders.map((sender) => sender.stop()));

  for (const { chatId, accepted } of senders) {
    const texts = accepted.map(({ text }) => text);
    assert.equal(new Set(accepted.map(({ id }) => id)).size, accepted.length);
    for (const message of accepted) {
      const { status, reply } = await rig.ended(message);
      assert.deepEqual([status, reply?.answers.includes(message.id)], ["answered", true], message.text);
    }
    assertSeenOnce(rig.model.requests(), ...texts);
    const [last = ""] = texts.slice(-1);
    assert.deepEqual(
      userMessages((await rig.requestWith(last)).body).filter((text) => texts.includes(text)),
      texts,
      "Claude has seen them in order",
    );
    const history = await rig.history(chatId);
    const kinds = history.map(({ type }) => type);
    assert.equal(kinds.filter((kind) => kind === "message").length, texts.length + 1, "one row each");
    const answered = history.flatMap((entry) => (entry.type === "reply" ? entry.answers : []));
    assert.equal(new Set(answered).size, answered.length, "no message has two answers");
    assert.deepEqual(
      history.flatMap((entry) => (entry.type === "message" ? entry.text : [])),
      ["Hello", ...texts],
    );
  }
  assert.deepEqual(
    await Promise.all(chats.map(async (chatId) => (await rig.chat(chatId)).sessionId)),
    sessions,
  );
});

interface Accepted {
  id: string;
  text: string;
}

/** A bridge as it should be: one message after the other, each with an id of its own, again until it is accepted. */
class Sender {
  readonly chatId: string;
  readonly accepted: Accepted[] = [];
  /** Attempts that found no daemon, or one that was ending or starting. */
  refused = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(rig: DaemonRig, port: number, chatId: string) {
    this.chatId = chatId;
    this.#done = this.#send(rig.token, `http://127.0.0.1:${port}/v1/chats/${chatId}/messages`);
    // Who stops it is told.
    this.#done.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #send(token: string, url: string): Promise<void> {
    const post = async (text: string): Promise<Accepted> => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify({ id: text, text }) };
      for (;;) {
        const response = await fetch(url, init).catch(() => null);
        if (response?.ok === true) return messageSchema.parse(await response.json());
        if (this.#stopped) throw new Error("nobody accepts the last message");
        this.refused += 1;
        assert.ok(response === null || response.status === 503, `status ${response?.status}`);
        await pause(50);
      }
    };
    for (let n = 1; !this.#stopped; n += 1) {
      // More than a person sends, and less than would only measure the disk.
      await pause(30);
      const { refused } = this;
      const message = await post(`${this.chatId} ${n}`);
      this.accepted.push(message);
      // Nor does a bridge know of the last one whether it was heard.
      if (this.refused > refused) assert.equal((await post(message.text)).id, message.id);
    }
  }
}
