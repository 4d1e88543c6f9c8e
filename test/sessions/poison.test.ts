import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isFileRefused, isPoisoned } from "../../src/sessions/poison.ts";
import { message } from "./message.ts";

const picture = { name: "a", type: "image/png", bytes: 1 };
const plain = { again: false, message: message() };
const bringing = { again: false, message: message({ attachments: [picture] }) };

const unreadable = { code: "invalid_request", message: "API Error: 400 messages.4: Could not process image" };
const tooLarge = { code: "unknown", message: "API Error: 413 Request exceeds the maximum size" };

describe("a refusal of the model's API", () => {
  for (const [what, trouble, expected] of [
    ["names a picture", unreadable, true],
    ["names a PDF", { ...unreadable, message: "API Error: 400 The PDF specified was not valid" }, true],
    ["names nothing of the kind", { ...unreadable, message: "API Error: 400 max_tokens: too high" }, false],
    ["is of the size of all", tooLarge, true],
    ["is of the size of all, by its code", { code: "request_too_large", message: "" }, true],
    ["comes of an API in trouble", { code: "overloaded", message: "API Error: 529 image" }, false],
  ] as const) {
    it(`is ${expected ? "" : "not "}for a file's sake when it ${what}`, () => {
      assert.equal(isFileRefused(trouble), expected);
    });
  }

  const poisoned = (trouble: typeof unreadable, members: Array<typeof plain>, suspect = false) =>
    isPoisoned({ type: "failed", ...failure, ...trouble }, members, suspect);
  const failure = {
    interrupted: false,
    sdkSessionId: "s",
    usage: { inputTokens: 0, outputTokens: 0, costUsd: 0 },
  };

  it("is laid to the conversation when the turn brought no file", () => {
    assert.equal(poisoned(unreadable, [plain]), true);
    assert.equal(poisoned({ ...unreadable, message: "max_tokens" }, [plain]), false);
  });

  it("is laid to the files that the turn brought, but not twice in a row", () => {
    assert.equal(poisoned(unreadable, [plain, bringing]), false);
    assert.equal(poisoned(unreadable, [plain, bringing], true), true);
  });

  it("is laid to the conversation when it is of the size of all, whatever the turn brought", () => {
    assert.equal(poisoned(tooLarge, [bringing]), true);
  });

  it("is laid to the conversation once: without its files it was refused for something else", () => {
    const again = { ...plain, again: true };
    for (const trouble of [unreadable, tooLarge])
      assert.equal(poisoned(trouble, [plain, again], true), false);
  });
});
