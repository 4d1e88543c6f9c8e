import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Quote, quoted, replacement, split } from "../../src/cli/completion/bash-words.ts";

/** As chat ids may be. */
const anyText = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 30 })
  .filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
const quotes: Quote[] = ["", "'", '"'];

describe("words as bash has them", () => {
  it("are taken apart at blanks outside of quotes, and nothing in them is expanded", () => {
    const line = String.raw`switchboard send a\ b 'c d'"e $HOME \" \x" $(f) `;
    assert.deepEqual(
      split(line).map(({ text }) => text),
      ["switchboard", "send", "a b", String.raw`c de $HOME " \x`, "$(f)", ""],
    );
  });

  it("say what is open at the cursor", () => {
    assert.deepEqual(split(`x "a 'b`).at(-1), { raw: `"a 'b`, text: "a 'b", quote: '"' });
    assert.deepEqual(split("x a\\").at(-1), { raw: "a\\", text: "a", quote: "" });
  });

  it("mean in bash what they were made from, whatever it was", () => {
    const texts = [
      ...fc.sample(anyText, 200),
      "$(exit 1)",
      "`exit 1`",
      "~",
      "-n",
      "a\\",
      "!x",
      "{a,b}",
      "*",
      "#a",
    ];
    const words = texts.flatMap((text) => quotes.map((quote) => quote + quoted(text, quote) + quote));
    const { stdout } = spawnSync("bash", ["--norc", "-c", `printf '%s\\n' ${words.join(" ")}`], {
      encoding: "utf8",
      env: { LANG: "C.UTF-8" },
    });
    assert.deepEqual(
      stdout.split("\n").slice(0, -1),
      texts.flatMap((text) => [text, text, text]),
    );
  });

  it("become the whole value wherever the cursor stands in it", () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom(...quotes), fc.nat(), fc.nat(), (value, quote, typed, broken) => {
        const characters = [...value];
        const before = characters.slice(0, 1 + (typed % characters.length));
        const line = quote + quoted(before.join(""), quote);
        const [word] = split(line);
        assert.ok(word);
        // Readline may take any end of what is typed for the part to be replaced.
        const kept = quote + quoted(before.slice(0, broken % before.length).join(""), quote);
        const put = replacement(word, line.slice(kept.length), value);
        assert.equal(split(kept + put + quote)[0]?.text, value);
      }),
    );
  });

  it("lead nowhere where the value begins with something else", () => {
    const [word] = split("tel");
    assert.ok(word);
    assert.equal(replacement(word, "tel", "signal:1"), null);
  });
});
