import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mediaIn } from "../../src/claude/media.ts";

const image = (data: string) => ({
  type: "image",
  source: { type: "base64", media_type: "image/png", data },
});
const text = (words: string) => ({ type: "text", text: words });
const line = (...content: object[]) =>
  JSON.stringify({ parentUuid: null, type: "user", message: { role: "user", content }, uuid: "u" });

/** As the file is read: one character a byte. */
const bytesOf = (lines: string[]) =>
  Buffer.from(lines.map((each) => `${each}\n`).join("")).toString("latin1");
const found = (transcript: string) =>
  mediaIn(transcript).map(({ at, length }) => JSON.parse(transcript.slice(at, at + length)));

describe("the pictures and documents of a transcript", () => {
  it("are found where people sent them, also into a running turn, and where tools gave them, each at its place", () => {
    const pdf = { type: "document", title: "a", source: { type: "base64", data: "UERG" } };
    const result = { type: "tool_result", tool_use_id: "t", content: [text("see"), image("Dw==")] };
    const joined = { type: "queued_command", prompt: [text("and this"), image("Ag==")], source_uuid: "u" };
    const transcript = bytesOf([
      line(text("Grüße 🙂"), image("AA=="), image("AA=="), pdf),
      line(text('they said {"type":"image"}')),
      line(result),
      JSON.stringify({ parentUuid: "u", attachment: joined, type: "attachment", uuid: "v" }),
    ]);
    assert.deepEqual(found(transcript), [image("AA=="), image("AA=="), pdf, image("Dw=="), image("Ag==")]);
    const places = mediaIn(transcript).map(({ at }) => at);
    assert.equal(new Set(places).size, places.length);
  });

  it("are none where none is, whatever is said", () => {
    const anything = fc.array(fc.string({ unit: "binary" }), { maxLength: 5 });
    fc.assert(
      fc.property(
        anything,
        (words) => void assert.deepEqual(mediaIn(bytesOf([line(...words.map(text))])), []),
      ),
    );
    const cut = line(image("AA==")).slice(0, -9);
    for (const broken of ["", "\n", "{", cut, '{"type":"image"}', '{"message":{"content":"image"}}'])
      assert.deepEqual(mediaIn(`${broken}\n`), []);
  });

  it("leave a whole transcript behind when a word stands in their place, and the same length", () => {
    const data = fc.base64String({ maxLength: 60 });
    const block = fc.oneof(data.map(image), fc.string({ unit: "binary" }).map(text));
    fc.assert(
      fc.property(fc.array(fc.array(block, { maxLength: 4 }), { maxLength: 4 }), (contents) => {
        const before = bytesOf(contents.map((content) => line(...content)));
        let after = before;
        for (const { at, length } of mediaIn(before))
          after = after.slice(0, at) + JSON.stringify(text("gone")).padEnd(length) + after.slice(at + length);
        assert.equal(after.length, before.length);
        const left = Buffer.from(after, "latin1").toString("utf8").split("\n").filter(Boolean);
        const wanted = contents.map((content) =>
          content.map((each) => (each.type === "image" ? text("gone") : each)),
        );
        assert.deepEqual(
          left.map((each) => JSON.parse(each).message.content),
          wanted,
        );
      }),
    );
  });
});
