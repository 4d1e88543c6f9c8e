import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { changesOf } from "../../src/config/changes.ts";
import { parseConfig } from "../../src/config.ts";

const config = (text: string) => parseConfig(text, "f.toml");

describe("the changes of a config", () => {
  it("are none between equals", () => {
    const same = "[tiers.family]\nmodel = 'opus'\ntools = ['Read']\n";
    assert.deepEqual(changesOf(config(same), config(same)), { config: config(same), live: [], restart: [] });
  });

  it("are the keys that were added, taken out, or have another value", () => {
    const before = config("log_level = 'warn'\n[tiers.family]\nmodel = 'opus'\ntools = ['Read']");
    const after = config("[tiers.family]\ntools = ['Read', 'Glob']\n[budget]\nusd_per_day = 3");
    const changes = changesOf(before, after);
    assert.deepEqual(changes.live.toSorted(), [
      ...["budget.usd_per_day", "log_level", "tiers.family.model", "tiers.family.tools"],
    ]);
    assert.deepEqual([changes.restart, changes.config], [[], after]);
  });

  it("leave in force, and name each time, what needs a new start", () => {
    const before = config("path = '/bin'");
    const after = config("path = '/sbin'\n[processes]\nmax_starts = 2\nmax = 9");
    const first = changesOf(before, after);
    assert.deepEqual(first.restart, ["path", "processes.max_starts"]);
    assert.deepEqual(first.live, ["processes.max"]);
    assert.deepEqual(first.config, config("path = '/bin'\n[processes]\nmax = 9"));
    const second = changesOf(first.config, after);
    assert.deepEqual([second.live, second.restart], [[], first.restart]);
    assert.equal(after.path, "/sbin");
  });
});
