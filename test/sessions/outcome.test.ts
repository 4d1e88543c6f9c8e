import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ClaudeEvent } from "../../src/claude/index.ts";
import type { Ending } from "../../src/ledger/index.ts";
import { endingsOf, outcomeOf } from "../../src/sessions/outcome.ts";

const turn = { sdkSessionId: "s", usage: { inputTokens: 1, outputTokens: 1, costUsd: 0 } };
const answer: ClaudeEvent & { type: "done" } = { type: "done", text: "Hello", ...turn };
const failure: ClaudeEvent & { type: "failed" } = {
  type: "failed",
  code: "overloaded",
  message: "API Error: 529",
  interrupted: false,
  ...turn,
};
const interrupt: ClaudeEvent & { type: "failed" } = { ...failure, code: "interrupted", interrupted: true };

const asked = { id: "asked", stopRequested: true };
const waiting = { id: "waiting", stopRequested: false };
const stopped: Ending = { messageId: "asked", status: "stopped", ran: true, error: null };
const failed = (messageId: string, code: string, message: string): Ending => ({
  messageId,
  status: "failed",
  ran: null,
  error: { code, message },
});

describe("the members of an ended turn", () => {
  it("are all answered by a text, also those whose stop came too late", () => {
    assert.deepEqual(endingsOf(answer, [asked, waiting]), []);
  });

  it("fail with an empty answer: silence is no answer", () => {
    assert.deepEqual(endingsOf({ ...answer, text: "" }, [waiting]), [
      failed("waiting", "empty_answer", "Claude gave an empty answer."),
    ]);
  });

  it("fail with what the turn failed with", () => {
    assert.deepEqual(endingsOf(failure, [waiting, asked]), [
      failed("waiting", "overloaded", "API Error: 529"),
      failed("asked", "overloaded", "API Error: 529"),
    ]);
  });

  it("end stopped by an interrupt if that was asked for, and failed if it was not", () => {
    assert.deepEqual(endingsOf(interrupt, [asked, waiting]), [
      stopped,
      failed("waiting", "interrupted", "API Error: 529"),
    ]);
  });

  it("are all answered or each end once, in their order", () => {
    const ended = fc.constantFrom(answer, { ...answer, text: "" }, failure, interrupt);
    const members = fc
      .array(fc.boolean())
      .map((all) => all.map((stopRequested, at) => ({ id: `${at}`, stopRequested })));
    fc.assert(
      fc.property(ended, members, (event, who) => {
        const ids = endingsOf(event, who).map(({ messageId }) => messageId);
        assert.deepEqual(ids, event === answer ? [] : who.map(({ id }) => id));
      }),
    );
  });
});

describe("the outcome of a turn", () => {
  const lost = failed("waiting", "interrupted", "");

  it("is `stopped` when any member was, `failed` when members failed, else `answered`", () => {
    assert.equal(outcomeOf([]), "answered");
    assert.equal(outcomeOf([lost]), "failed");
    assert.equal(outcomeOf([lost, stopped]), "stopped");
  });
});
