import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Column, cut, table, width, wrap } from "../../src/cli/layout.ts";

describe("a table", () => {
  const columns: Column[] = [
    { title: "CHAT", gives: true },
    { title: "NAME", gives: true, spare: 1 },
    { title: "STATE" },
    { title: "MEMORY", spare: 2 },
  ];
  const texts = [
    ["+15551234567", "A name that is much too long for any column", "idle", "120 MiB"],
    ["b", "家族のグループチャット", "busy", ""],
    ["c", "👩‍👩‍👧‍👦 e\u0301", "dormant", "9 MiB"],
  ];
  const rows = texts.map((row) => row.map((text) => ({ text })));

  it("is no wider than the terminal, whatever it holds", () => {
    for (let room = 12; room < 100; room++) {
      const lines = table(columns, rows, room);
      assert.equal(lines.length, 4);
      for (const line of lines) assert.ok(width(line) <= room, `${room}: ${line}`);
    }
  });

  it("cuts nothing off where nobody looks", () => {
    const text = table(columns, rows, Number.POSITIVE_INFINITY).join("\n");
    for (const cell of texts.flat()) assert.ok(text.includes(cell));
  });

  it("leaves a column out rather than words that must be read whole, the most dispensable first", () => {
    const titles = (room: number) => table(columns, rows, room)[0]?.match(/\S+/g);
    assert.deepEqual(titles(40), ["CHAT", "NAME", "STATE", "MEMORY"]);
    assert.deepEqual(titles(30), ["CHAT", "NAME", "STATE"]);
    assert.deepEqual(titles(20), ["CHAT", "STATE"]);
    for (const room of [40, 30, 20]) assert.match(table(columns, rows, room).join("\n"), /dormant/);
  });

  it("keeps its columns below each other", () => {
    const at = table(columns, rows, 60).map((line) =>
      width(line.slice(0, line.search(/STATE|idle|busy|dormant/))),
    );
    assert.equal(new Set(at).size, 1);
  });

  it("takes any number of rows", () => {
    const many = Array.from({ length: 200_000 }, () => [{ text: "a" }]);
    assert.equal(table([{ title: "CHAT" }], many, 80).length, 200_001);
  });

  it("paints a cell when it has its width", () => {
    const paint = (text: string) => `<${text}>`;
    const [, row] = table(
      columns.slice(0, 2),
      [
        [
          { text: "a", paint },
          { text: "b", paint },
        ],
      ],
      40,
    );
    assert.equal(row, "<a>     <b>");
  });
});

describe("wrapped text", () => {
  it("keeps words whole and its own line ends, and is no wider than the room", () => {
    assert.deepEqual(wrap("one two three\n\nfour", 8), ["one two", "three", "", "four"]);
  });

  it("breaks what has no blanks, and loses nothing of it", () => {
    for (const text of ["x".repeat(50), "家族".repeat(20), "👩‍👩‍👧‍👦".repeat(9)]) {
      const lines = wrap(text, 7);
      assert.equal(lines.join(""), text);
      for (const line of lines) assert.ok(width(line) <= 7);
    }
  });

  it("is as it was where there is no window", () => {
    const text = `  ${"word ".repeat(100)}\n  end  `;
    assert.equal(wrap(text, Number.POSITIVE_INFINITY).join("\n"), text);
  });

  it("keeps what a line begins with", () => {
    assert.deepEqual(wrap("  - an item", 8), ["  - an", "item"]);
  });

  it("takes what somebody sends to hold it up in no time", () => {
    assert.equal(wrap("x".repeat(1_000_000), 10).length, 100_000);
    assert.deepEqual(wrap(`word${" ".repeat(1_000_000)}`, 60), ["word"]);
    assert.deepEqual(wrap(" ".repeat(1_000_000), 60), [""]);
    assert.deepEqual(wrap(`one${" ".repeat(1_000_000)}two`, 60), ["one", "two"]);
    const marked = `e${"\u0301".repeat(1_000_000)}`;
    assert.deepEqual(wrap(`${marked} ${"a ".repeat(29)}`, 60), [`${marked}${" a".repeat(29)}`]);
  });

  it("is broken as a reader of the rules would break it", () => {
    for (const [text, lines] of [
      ["a long-word", ["a", "long-wo", "rd"]],
      ["longerword ab cd", ["longerw", "ord ab", "cd"]],
      ["          x y", ["       ", "   x y"]],
      ["ab  cd   ef", ["ab  cd", "ef"]],
      ["abc def", ["abc def"]],
      ["ab 家族 c", ["ab 家族", "c"]],
      ["abcd 家族", ["abcd", "家族"]],
    ] as const) {
      assert.deepEqual(wrap(text, 7), lines);
    }
  });
});

describe("a text that is cut", () => {
  it("says so where something is missing, and only there", () => {
    assert.deepEqual([cut("family", 6), cut("family", 5), cut("家族のグ", 6)], ["family", "fami…", "家族…"]);
  });
});
