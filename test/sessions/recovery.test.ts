import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decide, maxTries, type Unfinished } from "../../src/sessions/recovery.ts";

/** Some open messages with 0 to 4 tries each, and the uuids that stand in the transcript, foreign ones among them. */
const deaths = fc
  .array(fc.record({ tries: fc.nat(4), taken: fc.boolean(), stopRequested: fc.boolean() }), { maxLength: 8 })
  .map((messages) =>
    messages.map(
      ({ tries, taken, stopRequested }, at): Unfinished => ({
        messageId: `message-${at}`,
        sdkUuids: Array.from({ length: tries }, (_, n) => `uuid-${at}-${n}`),
        taken,
        stopRequested,
      }),
    ),
  )
  .chain((unfinished) =>
    fc.record({
      unfinished: fc.constant(unfinished),
      inTranscript: fc
        .subarray([...unfinished.flatMap(({ sdkUuids }) => sdkUuids), "somebody-else"])
        .map((uuids) => new Set(uuids)),
    }),
  );

describe("recovery", () => {
  it("gives each message exactly one verdict, in order", () => {
    fc.assert(
      fc.property(deaths, ({ unfinished, inTranscript }) => {
        assert.deepEqual(
          decide(unfinished, inTranscript).map(({ messageId }) => messageId),
          unfinished.map(({ messageId }) => messageId),
        );
      }),
    );
  });

  it("never sends again what stands in the transcript, what was stopped, or what had all its tries", () => {
    fc.assert(
      fc.property(deaths, ({ unfinished, inTranscript }) => {
        const verdicts = decide(unfinished, inTranscript);
        for (const [at, { sdkUuids, stopRequested }] of unfinished.entries()) {
          const seen = sdkUuids.some((uuid) => inTranscript.has(uuid));
          const again = !seen && !stopRequested && sdkUuids.length < maxTries;
          assert.equal(verdicts[at]?.action === "send", again);
        }
      }),
    );
  });

  it("of one message does not depend on the others", () => {
    fc.assert(
      fc.property(deaths, ({ unfinished, inTranscript }) => {
        assert.deepEqual(
          decide(unfinished, inTranscript),
          unfinished.flatMap((message) => decide([message], inTranscript)),
        );
      }),
    );
  });

  it("allows three tries", () => {
    assert.equal(maxTries, 3);
  });

  const message = { messageId: "m", sdkUuids: ["first", "second"], taken: false, stopRequested: false };

  it("sends what the model never saw", () => {
    assert.deepEqual(decide([message], new Set(["other"])), [{ messageId: "m", action: "send" }]);
  });

  it("says that what the model saw, under any of its uuids, was interrupted", () => {
    const message_ = "The session's process ended while Claude was working on it.";
    assert.deepEqual(decide([message], new Set(["first"])), [
      { messageId: "m", action: "fail", error: { code: "interrupted", message: message_ } },
    ]);
  });

  it("gives up after the third try, and tells the number", () => {
    assert.deepEqual(decide([{ ...message, sdkUuids: ["1", "2", "3"] }], new Set()), [
      {
        messageId: "m",
        action: "fail",
        error: {
          code: "tries_exhausted",
          message: "The session's process ended before Claude got it, 3 times.",
        },
      },
    ]);
  });

  it("stops what was to be stopped, and tells whether it ran", () => {
    const stopping = { ...message, stopRequested: true };
    assert.deepEqual(decide([{ ...stopping, taken: true }], new Set()), [
      { messageId: "m", action: "stop", ran: true },
    ]);
    assert.deepEqual(decide([stopping], new Set()), [{ messageId: "m", action: "stop", ran: false }]);
    assert.deepEqual(decide([stopping], new Set(["second"])), [
      { messageId: "m", action: "stop", ran: true },
    ]);
  });
});
