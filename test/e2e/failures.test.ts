/** When the model fails, the contact is told so by the message's end, and never by a reply. What it says is the reply. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Step } from "../../src/offline/index.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/model.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
/** Waits out for a moment what passes, and fails then. */
const hasty = await startRig({ after }, { config: "api.patience_seconds = 0.3" });

const error = (status: number, type: Extract<Step, { kind: "error" }>["type"]): Step => ({
  kind: "error",
  status,
  type,
  message: "words of the API that are nobody's business",
});

/** Claude Code asks once more after a refusal. */
const refusal: Step = { kind: "text", text: "I would rather", stopReason: "refusal" };

describe("a turn that fails ends its message with a code and a notice, and the next one is answered without it", () => {
  const failures: Record<string, { steps: Step[]; code: string }> = {
    "a malformed request": { steps: [error(400, "invalid_request_error")], code: "invalid_request" },
    "no such model": { steps: [error(404, "not_found_error")], code: "model_not_found" },
    "a rate limit": { steps: [error(429, "rate_limit_error")], code: "rate_limit" },
    "a broken API": { steps: [error(500, "api_error")], code: "server_error" },
    "an overloaded API": { steps: [error(529, "overloaded_error")], code: "server_error" },
    "a refusal, twice": { steps: [refusal, refusal], code: "invalid_request" },
    "a connection that is reset at once": { steps: [{ kind: "reset" }], code: "server_error" },
    "a connection that is reset in mid-stream": {
      steps: [{ kind: "reset", afterText: "Half a" }],
      code: "server_error",
    },
    "an API that breaks after a tool": {
      steps: [
        { kind: "tool", name: "Glob", input: { pattern: "*" }, textBefore: "Let me look." },
        error(500, "api_error"),
      ],
      code: "server_error",
    },
    "no words at all": { steps: [{ kind: "empty" }], code: "empty_answer" },
    "nothing but blanks": { steps: [{ kind: "text", text: " \n " }], code: "empty_answer" },
  };

  for (const [name, { steps, code }] of Object.entries(failures)) {
    test(name, async () => {
      hasty.script(name, ...steps);
      const failed = await hasty.say("chat", name);
      assert.deepEqual([failed.status, failed.error?.code, failed.reply], ["failed", code, null]);
      const { reply: notice } = await hasty.journal.until("chat", "reply", ({ reply }) =>
        reply.answers.includes(failed.id),
      );
      assert.deepEqual([notice.kind, notice.status], ["notice", "sent"]);
      await eventually("the API is given another chance", () => {
        const { trouble } = hasty.switchboard.host;
        return trouble === null || Date.parse(trouble.until) <= Date.now();
      });
      const next = await hasty.say("chat", `after ${name}`);
      assert.deepEqual(answerOf(next).answers, [next.id]);
      assert.match(answerOf(next).text, new RegExp(`You said: "after ${name}"`));
      // What achieved nothing is out of the conversation: it would fail again and again.
      if (steps.length === 1) {
        const seen = JSON.stringify((await hasty.lastRequest("chat")).body.messages);
        assert.equal(seen.includes(JSON.stringify(name)), false);
      }
    });
  }

  test("and in no reply stands a word of the API", () => {
    const replies = hasty.journal.of("chat", "reply");
    assert.equal(replies.length, 2 * Object.keys(failures).length);
    for (const { reply } of replies) assert.doesNotMatch(reply.text, /API Error|nobody's business/);
  });
});

describe("the reply is what Claude said in the turn, and the pieces that were streamed add up to it", () => {
  const replies: Record<string, { steps: Step[]; text: string }> = {
    "a text": {
      steps: [{ kind: "text", text: "one two three", tokens: ["one", " two", " three"] }],
      text: "one two three",
    },
    "a text that was cut by the output limit is continued": {
      steps: [
        { kind: "text", text: "The first ha", stopReason: "max_tokens" },
        { kind: "text", text: "lf and the second." },
      ],
      text: "The first half and the second.",
    },
    "a refusal and what follows it": {
      steps: [refusal, { kind: "text", text: "Let us talk about tea." }],
      text: "I would rather\n\nLet us talk about tea.",
    },
    "texts before and after a tool are paragraphs": {
      steps: [
        { kind: "tool", name: "Glob", input: { pattern: "*" }, textBefore: "Let me look." },
        { kind: "tool", name: "Glob", input: { pattern: "**" }, textBefore: "And deeper." },
        { kind: "text", text: "There is nothing." },
      ],
      text: "Let me look.\n\nAnd deeper.\n\nThere is nothing.",
    },
    "a tool without a word before it": {
      steps: [
        { kind: "tool", name: "Glob", input: { pattern: "*" } },
        { kind: "text", text: "There is nothing." },
      ],
      text: "There is nothing.",
    },
    "words that look like an error of the API": {
      steps: [{ kind: "text", text: "API Error: 529 Overloaded" }],
      text: "API Error: 529 Overloaded",
    },
    "any script and emoji": {
      steps: [{ kind: "text", text: "👩‍👩‍👧 שלום 你好", tokens: ["👩‍👩‍", "👧 שלו", "ם 你好"] }],
      text: "👩‍👩‍👧 שלום 你好",
    },
  };

  const assertReply = async (name: string, text: string) => {
    const message = await rig.say("replies", name);
    assert.equal(answerOf(message).text, text);
    const { turnId } = await rig.journal.until(
      "replies",
      "turn",
      ({ messageIds, state }) => state === "answered" && messageIds.includes(message.id),
    );
    assert.equal(rig.journal.streamed("replies", turnId), text);
  };

  for (const [name, { steps, text }] of Object.entries(replies)) {
    test(name, async () => {
      rig.script(name, ...steps);
      await assertReply(name, text);
    });
  }

  for (const [how, broken] of Object.entries<Step>({
    "by an error": { kind: "streamError", text: "Half an ans", type: "overloaded_error" },
    "by the connection": { kind: "reset", afterText: "Half an ans" },
  })) {
    const name = `a stream that is broken off ${how} counts no more when the answer comes anew`;
    test(name, async () => {
      const whole: Step = { kind: "text", text: "Now the whole answer." };
      rig.model.script((request) =>
        open(request).at(-1) === name ? (request.body.stream ? broken : whole) : undefined,
      );
      await assertReply(name, "Now the whole answer.");
    });
  }
});
