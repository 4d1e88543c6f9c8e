import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { admitted, effectiveTier, isTier, tiersOf } from "../../src/contacts/tiers.ts";
import { refused } from "./refusal.ts";

/** From the most to the least trusted. */
const ranks = ["admin", "partner", "family", "favorite", "bots", "unknown"];
const anyTier = fc.constantFrom(...ranks);
const anyModel = fc.constantFrom("opus", "sonnet", "haiku", "claude-x");

describe("the shipped tiers", () => {
  const tools = (tier: string) => tiersOf({}).get(tier)?.tools;

  it("admit everybody who has been named, and refuse the unknown", () => {
    assert.deepEqual([...tiersOf({}).keys()], ["admin", "partner", "family", "favorite", "bots"]);
    assert.deepEqual(admitted, ["admin", "partner", "family", "favorite", "bots"]);
    assert.ok(isTier("unknown"));
  });

  it("give all tools to admin and partner, reading ones to family and favorite, none to bots", () => {
    const reading = ["Read", "Glob", "Grep", "WebSearch", "WebFetch"];
    const full = ["Read", "Write", "Edit", "Bash", "Glob", "Grep", "WebSearch", "WebFetch"];
    assert.deepEqual(ranks.map(tools), [full, full, reading, reading, [], undefined]);
  });

  it("are no other names, not even such as every object has", () => {
    for (const name of ["", "Admin", "friend", "toString", "constructor", "__proto__"])
      assert.equal(isTier(name), false, name);
  });
});

describe("tiers as the config changes them", () => {
  it("take model, fallback and prompt from the config, and keep the rest", () => {
    const changes = { bots: { model: "opus", fallback_model: "haiku", system_prompt: "Be brief." } };
    assert.deepEqual(tiersOf(changes).get("bots"), {
      tier: "bots",
      model: "opus",
      fallbackModel: "haiku",
      systemPrompt: "Be brief.",
      tools: [],
      once: [],
      queueMode: "steer",
    });
    assert.deepEqual(tiersOf(changes).get("admin"), tiersOf({}).get("admin"));
  });

  it("say what is not run twice and what becomes of a message in mid-turn", () => {
    const tier = tiersOf({ admin: { once: ["Bash"], queue_mode: "collect" } }).get("admin");
    assert.deepEqual([tier?.once, tier?.queueMode], [["Bash"], "collect"]);
  });

  it("are refused when a tool that is not to be run twice is none of theirs", () => {
    assert.throws(() => tiersOf({ bots: { once: ["Bash"] } }), {
      code: "invalid_config",
      field: "tiers.bots.once",
      message: "tiers.bots.once: Bash is no tool of the tier (the tier has no tools)",
    });
  });

  it("never have a fallback that is the model itself: the CLI would not start", () => {
    const changes = fc.dictionary(fc.constantFrom(...admitted), fc.record({ model: anyModel }));
    fc.assert(
      fc.property(changes, (tiers) => {
        for (const { model, fallbackModel } of tiersOf(tiers).values()) assert.notEqual(fallbackModel, model);
      }),
    );
  });

  it("are refused when the config itself asks for such a fallback", () => {
    const refusal = {
      code: "invalid_config",
      field: "tiers.family.fallback_model",
      text: /must differ from model \(found "sonnet"\)$/,
    } as const;
    refused(() => tiersOf({ family: { fallback_model: "sonnet" } }), refusal);
    refused(() => tiersOf({ family: { model: "sonnet", fallback_model: "sonnet" } }), refusal);
  });

  it("are refused when there is no such tier to change", () => {
    for (const name of ["friend", "unknown", "Admin", "toString", "constructor"]) {
      refused(() => tiersOf({ [name]: { model: "opus" } }), {
        code: "invalid_config",
        field: `tiers.${name}`,
        text: /: no such tier \(allowed: admin, partner, family, favorite, bots\)$/,
      });
    }
  });
});

describe("who speaks in a group", () => {
  it("can lower what the chat allows and never raise it", () => {
    fc.assert(
      fc.property(anyTier, anyTier, (chat, sender) => {
        const lower = Math.max(ranks.indexOf(chat), ranks.indexOf(sender));
        assert.equal(effectiveTier(chat, sender), ranks[lower]);
      }),
    );
  });

  it("without a tier has the chat's", () => {
    for (const tier of ranks) assert.equal(effectiveTier(tier, undefined), tier);
  });

  it("with a tier that is none has no rights, nor has anybody in a chat of such a tier", () => {
    assert.equal(effectiveTier("admin", "toString"), "toString");
    assert.equal(effectiveTier("gone", "admin"), "gone");
    assert.equal(tiersOf({}).get("toString"), undefined);
  });
});
