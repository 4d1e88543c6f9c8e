import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Channel, channelsOf } from "../../src/channels/index.ts";
import { SwitchboardError } from "../../src/errors.ts";
import { ManualClock } from "../sessions/manual-clock.ts";

const url = "https://crm.example/replies";
const secret = "not to be shown to anybody";

function configured(tables: Record<string, unknown>): Channel[] {
  return channelsOf(tables, new ManualClock());
}

describe("the config's channels", () => {
  it("need a URL and a secret, and have a default for everything else", () => {
    assert.deepEqual(configured({}), []);
    const [crm, other, ...more] = configured({
      crm: { type: "webhook", url, secret },
      other_1: {
        type: "webhook",
        url: "http://localhost:8000",
        secret,
        after_crash: "hold",
        expire_seconds: 0.5,
        stop_words: ["halt", " stopp "],
      },
    });
    assert.deepEqual(more, []);
    assert.deepEqual(
      [crm, other].map((channel) => channel && { ...channel }),
      [
        { name: "crm", afterCrash: "resend", expireMs: 86_400_000, stopWords: ["stop"] },
        { name: "other_1", afterCrash: "hold", expireMs: 500, stopWords: ["halt", "stopp"] },
      ],
    );
  });

  const wrong: Array<[what: string, tables: Record<string, unknown>, message: string | RegExp]> = [
    [
      "a name that is none",
      { "CRM 1": { type: "webhook", url, secret } },
      /^channels\.CRM 1: a channel's name is/,
    ],
    ["no table", { crm: url }, 'channels.crm.type: must be "webhook"'],
    ["no type", { crm: { url, secret } }, 'channels.crm.type: must be "webhook"'],
    ["an unknown type", { crm: { type: "telegram" } }, 'channels.crm.type: must be "webhook"'],
    ["no URL", { crm: { type: "webhook", secret } }, "channels.crm.url: must be an http or https URL"],
    [
      "another protocol",
      { crm: { type: "webhook", url: "file:///etc/passwd", secret } },
      "channels.crm.url: must be an http or https URL",
    ],
    [
      "no secret",
      { crm: { type: "webhook", url } },
      "channels.crm.secret: must be a text of at least 16 characters",
    ],
    [
      "a short secret",
      { crm: { type: "webhook", url, secret: "short" } },
      "channels.crm.secret: must be a text of at least 16 characters",
    ],
    [
      "another way after a crash",
      { crm: { type: "webhook", url, secret, after_crash: "drop" } },
      /^channels\.crm\.after_crash: .*"resend"\|"mark"\|"hold"/,
    ],
    [
      "no time at all",
      { crm: { type: "webhook", url, secret, expire_seconds: 0 } },
      /^channels\.crm\.expire_seconds: /,
    ],
    [
      "a blank stop word",
      { crm: { type: "webhook", url, secret, stop_words: ["stop", " "] } },
      /^channels\.crm\.stop_words\.1: /,
    ],
    [
      "an unknown key",
      { crm: { type: "webhook", url, secret, retries: 3 } },
      'channels.crm.retries: Unrecognized key: "retries"',
    ],
  ];
  for (const [what, tables, message] of wrong) {
    it(`are refused for ${what}, by the key and without its value`, () => {
      assert.throws(
        () => configured({ good: { type: "webhook", url, secret }, ...tables }),
        (error) => {
          assert.ok(error instanceof SwitchboardError);
          assert.equal(error.code, "invalid_config");
          if (typeof message === "string") assert.equal(error.message, message);
          else assert.match(error.message, message);
          assert.equal(error.field, error.message.split(":", 1)[0]);
          assert.ok(!error.message.includes("short") && !error.message.includes(secret));
          return true;
        },
      );
    });
  }
});
