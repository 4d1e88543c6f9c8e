import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costOf, listPrices, type ModelUsage, type Price, priceOf } from "../../src/gateway/prices.ts";
import { usageAfter, usageOf } from "../../src/gateway/usage.ts";

const nothing = {
  ...{ inputTokens: 0, outputTokens: 0, cacheWriteTokens: 0, cacheWrite1hTokens: 0 },
  ...{ cacheReadTokens: 0, webSearches: 0 },
};
const used = (model: string, more: Partial<ModelUsage>): ModelUsage => ({ model, ...nothing, ...more });

describe("what an answer has used", () => {
  const start = (usage: object) =>
    JSON.stringify({ type: "message_start", message: { model: "claude-x", usage } });
  const delta = (usage: object) => JSON.stringify({ type: "message_delta", delta: {}, usage });

  it("is told at its begin, and again as a whole at its end", () => {
    const begun = usageAfter(
      null,
      start({
        ...{
          input_tokens: 10,
          output_tokens: 1,
          cache_read_input_tokens: 40,
          cache_creation_input_tokens: 30,
        },
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
      }),
    );
    const first = {
      inputTokens: 10,
      outputTokens: 1,
      cacheReadTokens: 40,
      cacheWriteTokens: 10,
      cacheWrite1hTokens: 20,
    };
    assert.deepEqual(begun, used("claude-x", first));
    assert.deepEqual(
      usageAfter(begun, delta({ output_tokens: 25, server_tool_use: { web_search_requests: 2 } })),
      used("claude-x", { ...first, outputTokens: 25, webSearches: 2 }),
    );
    const more = {
      input_tokens: 11,
      cache_read_input_tokens: null,
      cache_creation_input_tokens: 35,
      output_tokens: 26,
    };
    assert.deepEqual(
      usageAfter(begun, delta(more)),
      used("claude-x", { ...first, inputTokens: 11, outputTokens: 26, cacheWriteTokens: 15 }),
    );
  });

  it("is told once by one that came whole", () => {
    const whole = { id: "m", model: "claude-x", usage: { input_tokens: 3, output_tokens: 4 } };
    assert.deepEqual(usageOf(JSON.stringify(whole)), used("claude-x", { inputTokens: 3, outputTokens: 4 }));
  });

  it("is nothing that is not understood", () => {
    for (const json of ["", "{", "null", "[]", "{}", delta({ output_tokens: 5 })])
      assert.equal(usageAfter(null, json), null);
    for (const json of ["", "{}", '{"error":{}}']) assert.equal(usageOf(json), null);
    const begun = usageAfter(null, start({ input_tokens: 1, output_tokens: 1 }));
    for (const json of ["", "{}", delta({ output_tokens: -5 }), delta({ output_tokens: 0.5 })])
      assert.deepEqual(usageAfter(begun, json), begun);
  });
});

describe("what it costs", () => {
  it("goes by the longest name that the model's id begins with", () => {
    assert.equal(priceOf("claude-opus-5-5-20260901", [listPrices])?.input, 4);
    assert.equal(priceOf("claude-opus-5-20260101", [listPrices])?.input, 5);
    assert.equal(priceOf("claude-opus-4-20250514", [listPrices])?.input, 15);
    assert.equal(priceOf("claude-opus-4-1-20250805", [listPrices])?.input, 15);
    assert.equal(priceOf("claude-opus-55", [listPrices]), null);
    assert.equal(priceOf("gpt", [listPrices]), null);
  });

  it("goes by an earlier list before a later one", () => {
    const own = { ...listPrices["claude-opus-5"], input: 1 } as Price;
    assert.equal(priceOf("claude-opus-5-5", [{ claude: own }, listPrices])?.input, 1);
    assert.equal(priceOf("claude-opus-5-5", [{ other: own }, listPrices])?.input, 4);
  });

  it("is each kind of token by its price, and each search, in billionths", () => {
    const all = {
      inputTokens: 1,
      outputTokens: 10,
      cacheWriteTokens: 100,
      cacheWrite1hTokens: 1000,
      cacheReadTokens: 10_000,
    };
    const usage = used("claude-opus-5-5", { ...all, webSearches: 1 });
    assert.equal(costOf(usage, [listPrices]), 4000 + 200_000 + 500_000 + 8_000_000 + 2_000_000 + 10_000_000);
    assert.equal(costOf(used("claude-haiku-5-5", { cacheReadTokens: 3 }), [listPrices]), 150);
    assert.equal(costOf(used("claude-sonnet-5-5", { cacheReadTokens: 7 }), [listPrices]), 700);
  });

  it("is never less for a model without a price than for the dearest one", () => {
    const usage = { inputTokens: 7, outputTokens: 5, cacheReadTokens: 3, cacheWriteTokens: 2 };
    const unknown = costOf(used("claude-unheard-of", usage), [listPrices]);
    for (const model of Object.keys(listPrices))
      assert.ok(costOf(used(model, usage), [listPrices]) <= unknown, model);
  });
});
