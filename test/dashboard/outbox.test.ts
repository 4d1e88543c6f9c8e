/** Messages on their way to the daemon: each arrives once, in order, or waits for its writer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Refusal, Unreachable } from "../../src/dashboard/api.js";
import { Outbox } from "../../src/dashboard/outbox.js";
import type { MessageView } from "../../src/views.ts";
import { eventually } from "../support/eventually.ts";

type Attempt = { chatId: string; id: string; text: string };

/** An outbox whose daemon answers as `answer` says; a returned error is thrown. */
function outboxTo(answer: (attempt: Attempt, n: number) => Error | undefined) {
  const attempts: Attempt[] = [];
  const outbox = new Outbox({
    async send(chatId, message) {
      attempts.push({ chatId, ...message });
      const error = answer({ chatId, ...message }, attempts.length);
      if (error !== undefined) throw error;
      return {} as MessageView;
    },
    changed() {},
    pause: async () => {},
  });
  return { outbox, attempts, texts: () => attempts.map(({ text }) => text) };
}
const refusal = (code: string, retryAfterMs: number | null) =>
  new Refusal(503, { code, message: code }, retryAfterMs);

describe("the outbox", () => {
  it("sends a message again under the same id until the daemon answers", async () => {
    const { outbox, attempts } = outboxTo((_, n) =>
      n === 1 ? new Unreachable() : n === 2 ? refusal("draining", 5000) : undefined,
    );
    outbox.add("c", "Hello");
    await eventually("it is sent", () => outbox.of("c").length === 0);
    assert.equal(attempts.length, 3);
    assert.equal(new Set(attempts.map(({ id }) => id)).size, 1);
  });

  it("sends those of a chat in the order in which they were written", async () => {
    const { outbox, texts } = outboxTo(({ text }, n) =>
      text === "one" && n < 3 ? new Unreachable() : undefined,
    );
    for (const text of ["one", "two", "three"]) outbox.add("c", text);
    await eventually("all are sent", () => outbox.of("c").length === 0);
    assert.deepEqual(texts(), ["one", "one", "one", "two", "three"]);
  });

  it("keeps a refused message with the reason, and does not hold up those behind it", async () => {
    const { outbox, texts } = outboxTo(({ text }, n) =>
      text === "one" && n === 1 ? refusal("refused_contact", null) : undefined,
    );
    outbox.add("c", "one");
    outbox.add("c", "two");
    await eventually("the other is sent", () => outbox.of("c").length === 1);
    const [left] = outbox.of("c");
    assert.ok(left);
    assert.deepEqual([left.text, left.state, left.refusal?.code], ["one", "refused", "refused_contact"]);
    outbox.retry(left);
    await eventually("it is sent too", () => outbox.of("c").length === 0);
    assert.deepEqual(texts(), ["one", "two", "one"]);
  });

  it("gives each message an id of its own", async () => {
    const { outbox, attempts } = outboxTo(() => undefined);
    for (const chatId of ["a", "b"]) outbox.add(chatId, "the same");
    await eventually("both are sent", () => attempts.length === 2);
    assert.notEqual(attempts[0]?.id, attempts[1]?.id);
  });
});
