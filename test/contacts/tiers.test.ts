import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Config } from "../../src/config.ts";
import { admitted, isTier, tiersOf } from "../../src/contacts/tiers.ts";
import { refused } from "./refusal.ts";

/** From the most to the least trusted. */
const ranks = ["admin", "partner", "family", "favorite", "bots", "unknown"];
const tiersWith = (tiers: Config["tiers"] = {}) => tiersOf({ tiers, assistant: "Ada" });
const anyTier = fc.constantFrom(...ranks);
const anyModel = fc.constantFrom("opus", "sonnet", "haiku", "claude-x");

describe("the shipped tiers", () => {
  const tools = (tier: string) => tiersWith().get(tier)?.tools;

  it("admit everybody who has been named, and refuse the unknown", () => {
    assert.deepEqual(
      [...tiersWith().all].map(({ tier }) => tier),
      ["admin", "partner", "family", "favorite", "bots"],
    );
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
    assert.deepEqual(tiersWith(changes).get("bots"), {
      tier: "bots",
      model: "opus",
      fallbackModel: "haiku",
      systemPrompt: "Be brief.",
      tools: [],
      rules: tiersWith().get("bots")?.rules,
      sandbox: false,
      once: [],
      queueMode: "steer",
      budget: { tierUsd: null, chatUsd: null },
      messagesPerMinute: null,
      keep: { messagesMs: null, eventsMs: null, conversationsMs: null },
      idleMs: null,
    });
    assert.deepEqual(tiersWith(changes).get("admin"), tiersWith().get("admin"));
  });

  it("say what is not run twice and what becomes of a message in mid-turn", () => {
    const tier = tiersWith({ admin: { once: ["Bash"], queue_mode: "collect" } }).get("admin");
    assert.deepEqual([tier?.once, tier?.queueMode], [["Bash"], "collect"]);
  });

  it("are refused when a tool that is not to be run twice is none of theirs", () => {
    assert.throws(() => tiersWith({ bots: { once: ["Bash"] } }), {
      code: "invalid_config",
      field: "tiers.bots.once",
      message: "tiers.bots.once: Bash is no tool of the tier (the tier has no tools)",
    });
  });

  it("never have a fallback that is the model itself: the CLI would not start", () => {
    const changes = fc.dictionary(fc.constantFrom(...admitted), fc.record({ model: anyModel }));
    fc.assert(
      fc.property(changes, (tiers) => {
        for (const { model, fallbackModel } of tiersWith(tiers).all) assert.notEqual(fallbackModel, model);
      }),
    );
  });

  it("are refused when the config itself asks for such a fallback", () => {
    const refusal = {
      code: "invalid_config",
      field: "tiers.family.fallback_model",
      text: /must differ from model \(found "sonnet"\)$/,
    } as const;
    refused(() => tiersWith({ family: { fallback_model: "sonnet" } }), refusal);
    refused(() => tiersWith({ family: { model: "sonnet", fallback_model: "sonnet" } }), refusal);
  });

  it("are refused when there is no such tier to change", () => {
    for (const name of ["friend", "unknown", "Admin", "toString", "constructor"]) {
      refused(() => tiersWith({ [name]: { model: "opus" } }), {
        code: "invalid_config",
        field: `tiers.${name}`,
        text: /: no such tier \(allowed: admin, partner, family, favorite, bots\)$/,
      });
    }
  });
});

describe("what a tier's tools may do", () => {
  const rules = (tier: string, change: Config["tiers"][string] = {}) =>
    tiersWith({ [tier]: change }).get(tier)?.rules;

  it("is no more than its own folder, any host on the internet, and any command for the tiers that have Bash", () => {
    const own = { readFolders: [], writeFolders: [], hosts: ["*"], ask: [] };
    const commands = (allow: string[]) => ({ allow, ask: [], deny: [] });
    assert.deepEqual(rules("admin"), [{ tier: "admin", ...own, commands: commands(["*"]) }]);
    assert.deepEqual(rules("partner"), [{ tier: "partner", ...own, commands: commands(["*"]) }]);
    assert.deepEqual(rules("family"), [{ tier: "family", ...own, commands: commands([]) }]);
  });

  it("is what the config says", () => {
    const change = {
      tools: ["Read", "Bash"],
      read_folders: ["/srv/photos"],
      write_folders: ["/srv/notes"],
      commands: { allow: ["ls *"], ask: ["git push *"], deny: ["ls -R *"] },
      hosts: ["*.example.org"],
      ask: ["Read"],
      messages_per_minute: 7,
      idle_seconds: 60,
    };
    const policy = tiersWith({ family: change }).get("family");
    assert.deepEqual(
      [policy?.tools, policy?.messagesPerMinute, policy?.idleMs],
      [["Read", "Bash"], 7, 60_000],
    );
    assert.deepEqual(policy?.rules, [
      {
        tier: "family",
        readFolders: ["/srv/photos"],
        writeFolders: ["/srv/notes"],
        commands: { allow: ["ls *"], ask: ["git push *"], deny: ["ls -R *"] },
        hosts: ["*.example.org"],
        ask: ["Read"],
      },
    ]);
  });

  it("is refused when it names a tool that no rule judges, one that the tier does not have, or a relative folder", () => {
    const wrong: Array<[Config["tiers"][string], field: string, message: RegExp]> = [
      [
        { tools: ["Read", "Task"] },
        "tools",
        /: Task is no tool that rules exist for \(allowed: Read, Write, /,
      ],
      [{ ask: ["Bash"] }, "ask", /: Bash is no tool of the tier \(allowed: Read, Glob, /],
      [{ tools: [], ask: ["Read"] }, "ask", /\(the tier has no tools\)$/],
      [{ read_folders: ["photos"] }, "read_folders", /: photos is no absolute path$/],
      [{ write_folders: ["/ok", "../up"] }, "write_folders", /: \.\.\/up is no absolute path$/],
    ];
    for (const [change, key, text] of wrong)
      refused(() => tiersWith({ family: change }), {
        code: "invalid_config",
        field: `tiers.family.${key}`,
        text,
      });
  });
});

describe("a tier's prompt", () => {
  const promptOf = (system_prompt: string) =>
    tiersWith({ bots: { system_prompt } }).get("bots")?.systemPrompt;

  it("has the tier and the assistant's name where it asks for them", () => {
    assert.equal(promptOf("{{assistant}} for {{ tier }}, {{tier}}"), "Ada for bots, bots");
    assert.match(tiersWith().get("admin")?.systemPrompt ?? "", /^You are Ada, a personal assistant/);
  });

  it("is refused when it asks for anything else", () => {
    for (const name of ["name", "", "toString"])
      refused(() => promptOf(`Hello {{${name}}}`), {
        code: "invalid_config",
        field: "tiers.bots.system_prompt",
        text: /: nothing is known as \{\{\w*\}\} \(allowed: tier, assistant\)$/,
      });
  });
});

describe("who speaks in a group", () => {
  it("can lower what the chat allows and never raise it", () => {
    const tiers = tiersWith();
    fc.assert(
      fc.property(anyTier, anyTier, (chat, sender) => {
        const lower = ranks[Math.max(ranks.indexOf(chat), ranks.indexOf(sender))];
        const policy = tiers.for(chat, sender);
        assert.equal(policy?.tier, lower === "unknown" ? undefined : lower);
        for (const tool of policy?.tools ?? [])
          for (const tier of [chat, sender])
            assert.ok(tiers.get(tier)?.tools.includes(tool), `${tier}: ${tool}`);
      }),
    );
  });

  it("is held to the rules of both, however the config ranks their rights", () => {
    const tiers = tiersWith({
      family: { tools: ["Read", "Bash"], once: ["Bash"] },
      partner: { tools: ["Bash"] },
    });
    const common = tiers.for("partner", "family");
    assert.deepEqual(common?.tools, ["Bash"]);
    assert.deepEqual(common?.once, ["Bash"]);
    assert.deepEqual(
      common?.rules.map(({ tier }) => tier),
      ["family", "partner"],
    );
  });

  it("has the very same policy each time, so that one process can go on serving", () => {
    const tiers = tiersWith();
    assert.equal(tiers.for("admin", "family"), tiers.for("admin", "family"));
    assert.equal(tiers.for("family", "family"), tiers.get("family"));
    assert.notEqual(tiers.for("admin", "family"), tiers.get("family"));
  });

  it("without a tier has the chat's", () => {
    const tiers = tiersWith();
    for (const tier of ranks) assert.equal(tiers.for(tier, undefined), tiers.get(tier));
  });

  it("with a tier that is none has no rights, nor has anybody in a chat of such a tier", () => {
    for (const [chat, sender] of [
      ["admin", "toString"],
      ["gone", "admin"],
      ["admin", "unknown"],
    ] as const)
      assert.equal(tiersWith().for(chat, sender), undefined);
  });
});

describe("tiers that adopt others", () => {
  const before = { family: { model: "opus" }, bots: { model: "haiku" } };

  it("keep a policy, with what has changed in it, as long as processes under it would be the same", () => {
    const tiers = tiersWith(before);
    const [family, common] = [tiers.get("family"), tiers.for("admin", "family")];
    tiers.adopt(tiersWith({ family: { model: "opus", queue_mode: "queue", idle_seconds: 9 } }));
    assert.equal(tiers.get("family"), family);
    assert.deepEqual([family?.queueMode, family?.idleMs], ["queue", 9000]);
    assert.equal(tiers.for("admin", "family"), common);
    assert.deepEqual([common?.queueMode, common?.idleMs], ["queue", 9000]);
    assert.ok(family && common && tiers.isCurrent(family) && tiers.isCurrent(common));
  });

  const changes: Array<[what: string, change: Config["tiers"][string]]> = [
    ["model", { model: "sonnet" }],
    ["prompt", { model: "opus", system_prompt: "Be brief." }],
    ["tools", { model: "opus", tools: ["Read"] }],
    ["rules", { model: "opus", read_folders: ["/srv"] }],
    ["sandbox", { model: "opus", sandbox: true }],
  ];
  for (const [what, change] of changes) {
    it(`have another policy when its ${what} changed, in common with others, too`, () => {
      const tiers = tiersWith(before);
      const [family, common, bots] = [tiers.get("family"), tiers.for("admin", "family"), tiers.get("bots")];
      assert.ok(family && common && bots);
      tiers.adopt(tiersWith({ ...before, family: change }));
      assert.deepEqual(
        [family, common, bots].map((policy) => tiers.isCurrent(policy)),
        [false, false, true],
      );
      assert.notEqual(tiers.for("admin", "family"), common);
    });
  }
});
