/** The file that `init` writes says the same as the schema, whatever becomes of the schema. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webhookSchema } from "../../src/channels/index.ts";
import { checked } from "../../src/checked.ts";
import { restartKeys, sectionsOf } from "../../src/config/keys.ts";
import { templateOf, toml } from "../../src/config/template.ts";
import { defaultConfig, parseConfig } from "../../src/config.ts";

const sections = sectionsOf(webhookSchema);
const text = templateOf(sections);
const withDefaults = text.replaceAll(/^#(?=[a-z])/gm, "");
const withAll = withDefaults.replaceAll(/^# (?=\[|[a-z_0-9]+ = )/gm, "");

describe("the config that init writes", () => {
  it("changes nothing as it is", () => {
    assert.deepEqual(parseConfig(text, "f.toml"), defaultConfig());
  });

  it("says nothing but the defaults when each of its defaults is taken out of its comment", () => {
    assert.notEqual(withDefaults, text);
    assert.deepEqual(parseConfig(withDefaults, "f.toml"), defaultConfig());
  });

  it("has an example for every other key, all of them valid", () => {
    const config = parseConfig(withAll, "f.toml");
    // That a machine has no sandbox is not the example's fault.
    const family = { ...config.tiers.family, sandbox: false };
    const { tiers, channels } = checked({ ...config, tiers: { family } }, { metered: true });
    assert.equal(tiers.get("family")?.queueMode, "queue");
    assert.deepEqual([...channels.keys()], ["bridge"]);
    for (const { name, example, keys } of sections) {
      for (const key of keys) {
        const path = [name, example, key.name].filter(Boolean);
        assert.notEqual(valueAt(config, path), undefined, path.join("."));
      }
    }
  });

  it("describes every section and every key", () => {
    for (const { name, description, keys } of sections) {
      assert.ok(name === "" || description !== "", name);
      for (const key of keys) {
        assert.notEqual(key.description, "", `${name}.${key.name}`);
        assert.ok((key.default ?? key.example) !== undefined, `${name}.${key.name}`);
      }
    }
  });

  it("has no line that is too long to read, but for values", () => {
    const long = text.split("\n").filter((line) => line.length > 102 && !line.includes(" = "));
    assert.deepEqual(long, []);
  });

  it("knows which keys need a new start", () => {
    assert.deepEqual(restartKeys(), [
      "path",
      "processes.resume_recent",
      "processes.max_starts",
      "processes.health_check_seconds",
      "api.patience_seconds",
      "api.direct",
    ]);
  });
});

describe("a value in TOML", () => {
  it("is read as it was", () => {
    for (const value of ["", 'a "b" \\ \n ü', 0.5, 7, true, ["a", "b"], { a: ["b"], c: { d: 1 } }])
      assert.deepEqual(structuredClone(parseConfig(`channels.x = ${toml({ value })}`, "f.toml").channels.x), {
        value,
      });
  });
});

function valueAt(config: object, path: readonly (string | null)[]): unknown {
  let value: unknown = config;
  for (const name of path) {
    if (typeof value !== "object" || value === null || name === null) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}
