/** Where the model is, by the environment; and a credential that comes from a file or cannot be used. */

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { upstreamOf } from "../../src/daemon/upstream.ts";

const folder = mkdtempSync(join(realpathSync(tmpdir()), "upstream-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "key");

function keyFile(text: string, mode = 0o600): string {
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

describe("the model's place", () => {
  it("is offline when nothing is said", () => {
    assert.equal(upstreamOf({}), "offline");
    assert.equal(upstreamOf({ ANTHROPIC_API_KEY: "", ANTHROPIC_API_KEY_FILE: "" }), "offline");
  });

  it("is what the variables say", () => {
    const env = {
      ANTHROPIC_API_KEY: "k",
      ANTHROPIC_AUTH_TOKEN: "t",
      ANTHROPIC_BASE_URL: "https://a.example",
    };
    assert.deepEqual(upstreamOf(env), { apiKey: "k", authToken: "t", baseUrl: "https://a.example" });
  });

  it("takes the key from a file that nobody else may read; the variable goes first", () => {
    const env = { ANTHROPIC_API_KEY_FILE: keyFile("sk-in-the-file\n", 0o400) };
    assert.deepEqual(upstreamOf(env), { apiKey: "sk-in-the-file" });
    assert.deepEqual(upstreamOf({ ...env, ANTHROPIC_API_KEY: "k" }), { apiKey: "k" });
  });

  const refused: Array<[what: string, env: () => Record<string, string>, message: RegExp]> = [
    ["an address that is none", () => ({ ANTHROPIC_BASE_URL: "ftp://x" }), /is no http address: ftp:\/\/x/],
    [
      "a file that others may read",
      () => ({ ANTHROPIC_API_KEY_FILE: keyFile("sk-secret", 0o640) }),
      /others may read .*key \(640\); make it 600/,
    ],
    ["a file that is not there", () => ({ ANTHROPIC_API_KEY_FILE: join(folder, "none") }), /no such file/],
    ["a folder", () => ({ ANTHROPIC_API_KEY_FILE: folder }), /EISDIR/],
    ["an empty file", () => ({ ANTHROPIC_API_KEY_FILE: keyFile(" \n") }), /holds no key/],
    [
      "a file of two lines",
      () => ({ ANTHROPIC_API_KEY_FILE: keyFile("sk-secret\nsk-secret") }),
      /or more than one/,
    ],
  ];
  for (const [what, env, message] of refused) {
    it(`is not taken from ${what}, and no key is told`, () => {
      assert.throws(
        () => upstreamOf(env()),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, "invalid_upstream");
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /secret/);
          return true;
        },
      );
    });
  }

  it("is a provider's, by the variables that are named", () => {
    const env = { AWS_REGION: "eu", CLAUDE_CODE_USE_BEDROCK: "1", OTHER: "x" };
    assert.deepEqual(upstreamOf(env, ["CLAUDE_CODE_USE_BEDROCK", "AWS_REGION"]), {
      environment: { CLAUDE_CODE_USE_BEDROCK: "1", AWS_REGION: "eu" },
    });
    assert.throws(() => upstreamOf(env, ["AWS_REGION", "AWS_PROFILE"]), /names AWS_PROFILE, which is not/);
  });
});
