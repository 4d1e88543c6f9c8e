import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { webhookSchema } from "../../src/channels/index.ts";
import { explain, linesOf, withoutSecrets } from "../../src/config/explain.ts";
import { sectionsOf } from "../../src/config/keys.ts";
import { parseConfig } from "../../src/config.ts";

const explained = (text: string) =>
  new Map(
    explain(parseConfig(text, "f.toml"), text, sectionsOf(webhookSchema)).map((each) => [each.key, each]),
  );

describe("the line of a value", () => {
  it("is the one on which it begins, in whatever way TOML says it", () => {
    const text = `
# a = 1
a = 2
b.c = 3
[t]
list = [ # one
  "[x]",

  'y = 1',
]
text = """
[t.u]
v = 1
"""
[t.in]
line = { deep = { er = 1 } } # two
`;
    assert.deepEqual(Object.fromEntries(linesOf(text)), {
      a: 3,
      "b.c": 4,
      "t.list": 6,
      "t.text": 11,
      "t.in.line.deep.er": 16,
    });
  });
});

describe("an explained config", () => {
  it("tells of each key what holds and what says so", () => {
    const values = explained("log_level = 'warn'\n[processes]\nmax = 3\n");
    assert.deepEqual(values.get("log_level"), {
      ...{ key: "log_level", value: "warn", note: null, line: 1, restart: false },
    });
    assert.deepEqual(values.get("processes.max"), {
      ...{ key: "processes.max", value: 3, note: null, line: 3, restart: false },
    });
    assert.deepEqual(values.get("processes.memory_mb"), {
      ...{ key: "processes.memory_mb", value: null, line: null, restart: false },
      note: "3/4 of the machine's, leaving 1 GiB at least",
    });
    assert.deepEqual([values.get("path")?.line, values.get("path")?.restart], [null, true]);
  });

  it("shows no secret, and of an address no more than its host", () => {
    const text = `[channels.bridge]
type = "webhook"
url = "https://me:pass-word@example.org/hooks/path-word?q=query-word"
secret = "secret-word-of-16"
[tiers.family]
model = "opus"`;
    const values = explained(text);
    assert.doesNotMatch(JSON.stringify([...values.values()]), /-word/);
    assert.deepEqual(
      ["type", "url", "secret"].map((key) => values.get(`channels.bridge.${key}`)?.value),
      ["webhook", "https://example.org/…", null],
    );
    assert.deepEqual(
      [values.get("tiers.family.model")?.line, values.get("tiers.bots.model")],
      [6, undefined],
    );
  });

  it("leaves an address as it is that says nothing but its host", () => {
    assert.equal(withoutSecrets("http://127.0.0.1:9000"), "http://127.0.0.1:9000");
    assert.equal(withoutSecrets("no address"), "no address");
  });
});
