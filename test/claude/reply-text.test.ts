import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ReplyText } from "../../src/claude/reply-text.ts";

/** What somebody sees who applies each piece: one below the end replaces what stands from there on. */
class Viewer {
  seen = "";

  apply(piece: { offset: number; text: string } | null): void {
    if (piece === null) return;
    assert.ok(piece.offset <= this.seen.length, "a piece leaves no hole");
    this.seen = this.seen.slice(0, piece.offset) + piece.text;
  }
}

const words = fc.oneof(fc.string(), fc.constantFrom("", " ", "\n\n", "Hello", "Hello there"));
const block = fc.record({
  text: words,
  /** Pieces of attempts that were abandoned for a retry. */
  abandoned: fc.array(fc.array(words, { maxLength: 3 }), { maxLength: 2 }),
  /** `whole`: all of it was streamed; `part`: some; `other`: something else; `none`: it came unstreamed. */
  streamed: fc.constantFrom("whole", "part", "other", "none"),
  splits: fc.array(fc.nat(12), { maxLength: 4 }),
  cutBefore: fc.boolean(),
});
type Block = typeof block extends fc.Arbitrary<infer T> ? T : never;

/** The pieces that are streamed of a block, in order. */
function piecesOf({ text, streamed, splits }: Block): string[] {
  if (streamed === "none") return [];
  if (streamed === "other") return [`${text}!`, "?"];
  const places = [...splits.map((at) => Math.min(at, text.length)).sort((a, b) => a - b), text.length];
  const pieces = places.map((at, n) => text.slice(n === 0 ? 0 : places[n - 1], at));
  return streamed === "whole" ? pieces : pieces.slice(0, -1);
}

describe("a reply", () => {
  it("is seen as it is after each block, whatever was streamed, cut or abandoned before", () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
        const reply = new ReplyText();
        const viewer = new Viewer();
        let expected = "";
        let cut = false;
        for (const each of blocks) {
          if (each.cutBefore) reply.cut();
          cut ||= each.cutBefore;
          for (const pieces of [...each.abandoned, piecesOf(each)]) {
            reply.begin();
            for (const piece of pieces) viewer.apply(reply.piece(piece));
          }
          viewer.apply(reply.block(each.text));
          if (each.text.trim() !== "") {
            expected += expected === "" || cut ? each.text : `\n\n${each.text}`;
            cut = false;
          }
          assert.equal(reply.text, expected);
          assert.equal(viewer.seen, expected);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("is streamed as it comes, and a block that was streamed whole is not told again", () => {
    const reply = new ReplyText();
    reply.begin();
    assert.deepEqual(reply.piece("Hel"), { offset: 0, text: "Hel" });
    assert.deepEqual(reply.piece("lo"), { offset: 3, text: "lo" });
    assert.equal(reply.block("Hello"), null);
    reply.begin();
    assert.deepEqual(reply.piece("there"), { offset: 5, text: "\n\nthere" });
    assert.equal(reply.block("there"), null);
    assert.equal(reply.text, "Hello\n\nthere");
  });

  it("goes on in the sentence after a cut", () => {
    const reply = new ReplyText();
    reply.block("The answer is forty");
    reply.cut();
    assert.deepEqual(reply.block("-two."), { offset: 19, text: "-two." });
    reply.block("Anything else?");
    assert.equal(reply.text, "The answer is forty-two.\n\nAnything else?");
  });

  it("of an abandoned attempt is replaced by the next one's", () => {
    const reply = new ReplyText();
    reply.block("First.");
    reply.begin();
    assert.deepEqual(reply.piece("Lost"), { offset: 6, text: "\n\nLost" });
    reply.begin();
    assert.deepEqual(reply.piece("Found"), { offset: 6, text: "\n\nFound" });
    assert.deepEqual(reply.block("Found it."), { offset: 13, text: " it." });
  });

  it("has no blank paragraphs, and what was streamed of one is taken back", () => {
    const reply = new ReplyText();
    reply.block("Hello");
    reply.begin();
    reply.piece("\n");
    assert.deepEqual(reply.block("\n"), { offset: 5, text: "" });
    assert.equal(reply.block(" "), null);
    assert.equal(reply.text, "Hello");
  });
});
