import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ago, table, width } from "../../src/cli/print.ts";

describe("a table", () => {
  const heading = ["CHAT", "NAME", "STATE"];
  const rows = [
    ["+15551234567", "A name that is much too long for any column", "idle"],
    ["b", "家族のグループチャット", "busy"],
    ["c", "👩‍👩‍👧‍👦 e\u0301", "dormant"],
  ];

  it("is no wider than the terminal, whatever it holds", () => {
    for (let columns = 24; columns < 100; columns++) {
      const lines = table(heading, rows, columns).split("\n");
      assert.equal(lines.length, 4);
      for (const line of lines) assert.ok(width(line) <= columns, `${columns}: ${line}`);
    }
  });

  it("cuts nothing off where nobody looks", () => {
    const text = table(heading, rows, Number.POSITIVE_INFINITY);
    for (const cell of rows.flat()) assert.ok(text.includes(cell));
  });

  it("keeps its columns below each other", () => {
    const lines = table(heading, rows, 60).split("\n");
    const at = lines.map((line) => width(line.slice(0, line.search(/STATE|idle|busy|dormant/))));
    assert.equal(new Set(at).size, 1);
  });
});

describe("how long ago", () => {
  it("is told in a word", () => {
    const now = Date.parse("2026-01-10T12:00:00Z");
    const told = (time: string | null) => ago(time, now);
    assert.deepEqual(
      [
        null,
        "2026-01-10T12:00:01Z",
        "2026-01-10T11:59:01Z",
        "2026-01-10T11:01:00Z",
        "2026-01-10T00:00:00Z",
        "2026-01-01T00:00:00Z",
      ].map(told),
      ["never", "now", "now", "59 min ago", "12 h ago", "9 d ago"],
    );
  });
});
