import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sessionNameBase } from "../../src/contacts/names.ts";

/** Any string that JavaScript can hold, lone surrogates too. */
const anyString = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  // Long enough to be cut, with something to cut at.
  fc
    .array(fc.constantFrom("a", "-", "9", "É", "ﬀ", " ", "漢"), { minLength: 40, maxLength: 120 })
    .map((all) => all.join("")),
);

describe("a session's name", () => {
  it("is a slug of at most 64 bytes, whatever the contact is called", () => {
    fc.assert(
      fc.property(fc.option(anyString), anyString, (name, chatId) => {
        const slug = sessionNameBase(name, chatId);
        assert.match(slug, /^[a-z0-9]+(-[a-z0-9]+)*$/);
        assert.ok(Buffer.byteLength(slug) <= 64, slug);
      }),
      { numRuns: 1000 },
    );
  });

  it("leaves room for a number behind it, below the 64 bytes", () => {
    assert.ok(sessionNameBase("x".repeat(300), "1").length + "-99999".length <= 64);
  });

  it("of a slug is that slug", () => {
    fc.assert(
      fc.property(anyString, (name) => {
        const slug = sessionNameBase(name, "1");
        assert.equal(sessionNameBase(slug, "2"), slug);
      }),
    );
  });

  const examples: Array<[name: string | null, chatId: string, slug: string]> = [
    ["John Doe", "+15551234567", "john-doe"],
    ["  --John   O'Doe!! ", "1", "john-o-doe"],
    ["Zoë Ångström", "1", "zoe-angstrom"],
    ["ＪＯＨＮ ①", "1", "john-1"],
    ["../../etc/passwd", "1", "etc-passwd"],
    ["..", "1", "1"],
    ["Anna 👩‍👧", "1", "anna"],
    [null, "+15551234567", "15551234567"],
    ["", "telegram:12345", "telegram-12345"],
    ["山田太郎", "telegram:12345", "telegram-12345"],
    ["山田", "家族", "chat"],
    ["CON", "1", "chat-con"],
    ["lpt9", "1", "chat-lpt9"],
    ["Connie", "1", "connie"],
    [`${"x".repeat(47)} y`, "1", "x".repeat(47)],
  ];
  for (const [name, chatId, slug] of examples) {
    it(`of ${JSON.stringify(name)} in the chat ${JSON.stringify(chatId)} is ${slug}`, () => {
      assert.equal(sessionNameBase(name, chatId), slug);
    });
  }

  it("is the same for names that differ in case only: no disk may tell them apart", () => {
    assert.equal(sessionNameBase("JOHN DOE", "1"), sessionNameBase("john doe", "2"));
  });
});
