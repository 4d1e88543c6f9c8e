import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { classify, type Verdict } from "../../src/gateway/classify.ts";

const now = Date.parse("2026-03-01T12:00:00Z");
const inSeconds = (s: number) => now + s * 1000;
const rfc3339 = (s: number) => new Date(inSeconds(s)).toISOString();
const unix = (s: number) => String(inSeconds(s) / 1000);

const judge = (status: number, headers: Record<string, string> = {}, type = "x", message = "words") =>
  classify({ status, headers, body: JSON.stringify({ type: "error", error: { type, message } }) }, now);

const short = (verdict: Verdict) => {
  if (verdict.kind === "transient") return `transient ${verdict.retryAfterMs / 1000}`;
  return verdict.kind === "limit" ? `limit ${(verdict.until - now) / 1000}` : verdict.kind;
};

describe("what the API says is", () => {
  const unified = "anthropic-ratelimit-unified";
  const tokens = "anthropic-ratelimit-input-tokens";
  const table: [what: string, expected: string, ...Parameters<typeof judge>][] = [
    ["an answer", "pass", 200],
    ["a bad request", "pass", 400, {}, "invalid_request_error", "prompt is too long: 210000 tokens"],
    ["an unknown model", "pass", 404, {}, "not_found_error"],
    ["a request that is too large", "pass", 413],
    ["a filter's refusal", "pass", 403, {}, "forbidden"],
    ["an overload", "transient 0", 529, {}, "overloaded_error"],
    ["an overload that names a time", "transient 7", 529, { "retry-after": "7" }],
    ["an outage that names a far time", "transient 60", 503, { "retry-after": "3600" }],
    ["a rate limit without a time", "transient 0", 429],
    ["a rate limit of a minute", "transient 60", 429, { "retry-after": "60" }],
    ["a rate limit of a fraction", "transient 0.5", 429, { "retry-after": "0.5" }],
    [
      "a rate limit until a date that is near",
      "transient 20",
      429,
      { "retry-after": new Date(inSeconds(20)).toUTCString() },
    ],
    ["a rate limit of more than a minute", "limit 61", 429, { "retry-after": "61" }],
    [
      "a rate limit until a date that is far",
      "limit 7200",
      429,
      { "retry-after": new Date(inSeconds(7200)).toUTCString() },
    ],
    [
      "a rate limit with a time that is past",
      "transient 0",
      429,
      { "retry-after": new Date(inSeconds(-5)).toUTCString() },
    ],
    [
      "a rate limit with nonsense for a time",
      "transient 0",
      429,
      { "retry-after": "soon", [`${unified}-reset`]: "later" },
    ],
    [
      "a used-up plan",
      "limit 7200",
      429,
      { [`${unified}-status`]: "rejected", [`${unified}-reset`]: unix(7200) },
    ],
    [
      "a used-up plan of which only the time is told",
      "limit 7200",
      429,
      { [`${unified}-reset`]: unix(7200) },
    ],
    [
      "a rate limit while the plan has room",
      "transient 3",
      429,
      { "retry-after": "3", [`${unified}-status`]: "allowed", [`${unified}-reset`]: unix(7200) },
    ],
    ["a used-up window", "limit 90", 429, { [`${tokens}-remaining`]: "0", [`${tokens}-reset`]: rfc3339(90) }],
    [
      "a window with room",
      "transient 0",
      429,
      { [`${tokens}-remaining`]: "5", [`${tokens}-reset`]: rfc3339(90) },
    ],
    [
      "a used-up window that is soon over",
      "transient 0",
      429,
      { [`${tokens}-remaining`]: "0", [`${tokens}-reset`]: rfc3339(30) },
    ],
    ["the later of two times", "limit 7200", 429, { "retry-after": "120", [`${unified}-reset`]: unix(7200) }],
    ["a time beyond all limits, cut", `limit ${32 * 86_400}`, 429, { "retry-after": "99999999999999999" }],
    [
      "a monthly limit in words",
      "limit 43200",
      400,
      {},
      "invalid_request_error",
      "You have reached your specified API usage limits. You will regain access on 2026-03-02 at 00:00 UTC.",
    ],
    ["a key that is refused", "authentication", 401, {}, "authentication_error"],
    [
      "a model that the key may not use",
      "pass",
      403,
      {},
      "permission_error",
      "Your API key does not have permission to use the specified resource.",
    ],
    [
      "an organization that is locked out",
      "authentication",
      403,
      {},
      "permission_error",
      "This organization has been disabled.",
    ],
    [
      "an empty account",
      "billing",
      400,
      {},
      "invalid_request_error",
      "Your credit balance is too low to access the API.",
    ],
    ["an unpaid account", "billing", 402],
    ["a billing error of any status", "billing", 403, {}, "billing_error"],
  ];
  for (const [what, expected, ...said] of table) {
    test(`${what}: ${expected}`, () => assert.equal(short(judge(...said)), expected));
  }

  for (const status of [408, 429, 500, 502, 503, 504, 529]) {
    test(`${status} with a body that is no JSON: transient`, () => {
      const verdict = classify({ status, headers: {}, body: "<html>" }, now);
      assert.deepEqual(verdict, { kind: "transient", retryAfterMs: 0, message: `HTTP status ${status}` });
    });
  }

  test("no connection: transient", () => {
    assert.equal(short(classify({ broke: "ECONNREFUSED" }, now)), "transient 0");
  });
});

test("whatever the headers say, a pause is from 0 to 60 s, and a limit has a date from 60 s on", () => {
  const value = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String));
  fc.assert(
    fc.property(fc.constantFrom(400, 429, 503, 529), value, value, (status, after, reset) => {
      const verdict = judge(status, { "retry-after": after, "anthropic-ratelimit-unified-reset": reset });
      if (verdict.kind === "transient")
        assert.ok(verdict.retryAfterMs >= 0 && verdict.retryAfterMs <= 60_000);
      if (verdict.kind === "limit")
        assert.ok(new Date(verdict.until).toISOString() && verdict.until - now > 60_000);
    }),
  );
});
