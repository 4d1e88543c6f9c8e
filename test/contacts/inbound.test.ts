import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  chatIdSchema,
  contactPatchSchema,
  inboundSchema,
  parseInput,
  senderSchema,
} from "../../src/contacts/inbound.ts";
import { type Refusal, refused } from "./refusal.ts";

const surrogate = "\ud800";
const oneLine = /must be one line of well-formed text$/;

describe("a chat id", () => {
  const fine = {
    "a phone number": "+15551234567",
    "one character": "x",
    "what looks like a path": "../../etc",
    "three dots": "...",
    "a slash and an equals sign": "signal:group.a/b=",
    "a percent sign": "%2e%2e",
    "a space": " ",
    "an emoji": "👩‍👩‍👧",
    "256 bytes": "x".repeat(256),
    "256 bytes in 64 characters": "🙂".repeat(64),
  };
  for (const [what, id] of Object.entries(fine)) {
    it(`may be ${what}, and is taken as it is`, () => {
      assert.equal(parseInput(chatIdSchema, id, "chatId"), id);
    });
  }

  const bad = {
    empty: "",
    "257 bytes": "x".repeat(257),
    "257 bytes in 65 characters": `${"🙂".repeat(64)}x`,
    "of 10,000 characters": "x".repeat(10_000),
    "with a NUL": "a\0b",
    "with a newline": "a\n",
    "with a tab": "\ta",
    "with DEL": "a\x7f",
    "with a C1 control": "a\x85",
    "with a lone high surrogate": `a${surrogate}`,
    "with a lone low surrogate": "\udc00a",
    "a dot, which no URL can carry": ".",
    "two dots, which no URL can carry": "..",
  };
  for (const [what, id] of Object.entries(bad)) {
    it(`is refused when it is ${what}`, () => {
      refused(() => parseInput(chatIdSchema, id, "chatId"), {
        code: "invalid_chat_id",
        field: "chatId",
        text: /^chatId: must be 1 to 256 bytes of well-formed UTF-8 without control characters, and not \. or \.\.$/,
      });
    });
  }

  it("is refused when it is no string", () => {
    refused(() => parseInput(chatIdSchema, 15551234567, "chatId"), {
      code: "invalid_request",
      field: "chatId",
      text: /^chatId: .*expected string, received number$/,
    });
  });
});

describe("a message at the door", () => {
  it("is taken with all that a channel may say of it", () => {
    const message = {
      text: "Hello\nthere 🙂",
      id: "wamid.1/2=",
      contact: { name: "John Doe", tier: "family", group: true },
      sender: { id: "+1555", name: "Jane", tier: "bots" },
      route: { channel: "signal", thread: [1, null, "x"], urgent: false },
      attachments: [],
    };
    assert.deepEqual(parseInput(inboundSchema, message), message);
  });

  it("needs nothing but a text", () => {
    assert.deepEqual(parseInput(inboundSchema, { text: "Hello" }), { text: "Hello" });
  });

  it("is not trimmed or normalized", () => {
    const text = "  e\u0301\r\n\ufeff ";
    assert.equal(parseInput(inboundSchema, { text }).text, text);
  });

  it("may take a contact's name away, and name the tier that is refused", () => {
    const contact = { name: null, tier: "unknown" };
    assert.deepEqual(parseInput(inboundSchema, { text: "x", contact }).contact, contact);
  });

  it("is refused when its text is empty, blank, ill-formed or holds a NUL", () => {
    const empty: Refusal = { code: "invalid_text", field: "text", text: /^text: is empty$/ };
    const text = (value: string) => () => parseInput(inboundSchema, { text: value });
    refused(text(""), empty);
    refused(text(" \t\r\n\u00a0\u2003\ufeff"), empty);
    refused(text("a\0b"), { code: "invalid_text", field: "text", text: /^text: holds a NUL character$/ });
    refused(text(`a${surrogate}b`), {
      code: "invalid_text",
      field: "text",
      text: /^text: holds a lone surrogate$/,
      hint: "Send well-formed Unicode.",
    });
  });

  it("may be without a word when something is attached", () => {
    const attachments = [{ name: "a.png", data: "AA==" }];
    assert.deepEqual(parseInput(inboundSchema, { text: " ", attachments }), { text: " ", attachments });
  });

  it("is refused with more attachments than it may have", () => {
    const attachments = Array.from({ length: 11 }, () => ({ name: "a.png", data: "AA==" }));
    refused(() => parseInput(inboundSchema, { text: "x", attachments }), {
      code: "invalid_attachment",
      field: "attachments",
      text: /^attachments: more than 10$/,
      hint: "Send them in several messages.",
    });
  });

  it("is refused with a tier that does not exist, whoever is said to have it", () => {
    const text = /: no such tier \(allowed: admin, partner, family, favorite, bots, unknown\)$/;
    const sender = { id: "1", name: "Jane", tier: "Admin" };
    refused(() => parseInput(inboundSchema, { text: "x", contact: { tier: "friend" } }), {
      code: "unknown_tier",
      field: "contact.tier",
      text,
    });
    refused(() => parseInput(inboundSchema, { text: "x", sender }), {
      code: "unknown_tier",
      field: "sender.tier",
      text,
    });
  });

  const malformed: Array<[what: string, input: unknown, field: string, text: RegExp]> = [
    ["no object", null, "body", /expected object, received null$/],
    ["a list", [{ text: "x" }], "body", /expected object, received array$/],
    ["without text", {}, "text", /expected string, received undefined$/],
    ["with a number for a text", { text: 1 }, "text", /expected string, received number$/],
    ["with an unknown key", { text: "x", txet: "y" }, "txet", /Unrecognized key: "txet"$/],
    ["with the key __proto__", JSON.parse('{"text":"x","__proto__":{}}'), "__proto__", /Unrecognized key/],
    ["with an unknown key of the contact", { text: "x", contact: { nmae: "J" } }, "contact.nmae", /"nmae"$/],
    [
      "with an unknown key of the sender",
      { text: "x", sender: { id: "1", name: "J", role: "boss" } },
      "sender.role",
      /"role"$/,
    ],
    ["with null for a contact", { text: "x", contact: null }, "contact", /expected object, received null$/],
    ["with a word for `group`", { text: "x", contact: { group: "yes" } }, "contact.group", /boolean/],
    ["with null for a tier", { text: "x", contact: { tier: null } }, "contact.tier", /expected string/],
    ["with an empty name", { text: "x", contact: { name: "" } }, "contact.name", />=1 characters$/],
    ["with a blank name", { text: "x", contact: { name: " \u00a0" } }, "contact.name", oneLine],
    ["with a name of two lines", { text: "x", contact: { name: "John\nDoe" } }, "contact.name", oneLine],
    [
      "with a name of 257 characters",
      { text: "x", contact: { name: "x".repeat(257) } },
      "contact.name",
      /<=256/,
    ],
    ["with an ill-formed name", { text: "x", contact: { name: surrogate } }, "contact.name", oneLine],
    ["with a nameless sender", { text: "x", sender: { id: "1" } }, "sender.name", /expected string/],
    [
      "with a sender's name of two lines",
      { text: "x", sender: { id: "1", name: "Eve\nJohn: hi" } },
      "sender.name",
      oneLine,
    ],
    [
      "with a sender without an id",
      { text: "x", sender: { id: "", name: "J" } },
      "sender.id",
      />=1 characters$/,
    ],
    ["with a NUL in the sender's id", { text: "x", sender: { id: "\0", name: "J" } }, "sender.id", oneLine],
    [
      "with an ill-formed sender's id",
      { text: "x", sender: { id: surrogate, name: "J" } },
      "sender.id",
      oneLine,
    ],
    ["with an empty id", { text: "x", id: "" }, "id", />=1 characters$/],
    ["with an id of 257 characters", { text: "x", id: "x".repeat(257) }, "id", /<=256 characters$/],
    ["with a number for an id", { text: "x", id: 7 }, "id", /expected string, received number$/],
    ["with an id of two lines", { text: "x", id: "a\nb" }, "id", oneLine],
    ["with an ill-formed id", { text: "x", id: surrogate }, "id", oneLine],
    ["with a route that JSON cannot say", { text: "x", route: { at: new Date(0) } }, "route", /^route: /],
    ["with a word for attachments", { text: "x", attachments: "a.png" }, "attachments", /expected array/],
  ];
  for (const [what, input, field, text] of malformed) {
    it(`is refused when it comes ${what}`, () => {
      refused(() => parseInput(inboundSchema, input), { code: "invalid_request", field, text });
    });
  }

  it("is refused when its route is nested without end: whatever reads it is recursive", () => {
    let route: unknown = null;
    for (let depth = 0; depth < 20_000; depth++) route = [route];
    refused(() => parseInput(inboundSchema, { text: "x", route }), {
      code: "invalid_request",
      field: "route",
      text: /^route: /,
    });
  });

  it("names the first of several wrong fields", () => {
    refused(() => parseInput(inboundSchema, { text: "\0", id: "", contact: { tier: "x" } }), {
      code: "invalid_text",
      field: "text",
      text: /^text: holds a NUL character$/,
    });
  });
});

describe("a contact on its own", () => {
  it("may change nothing, one field or all", () => {
    const all = { name: "J", tier: "admin", group: true, queueMode: "collect" };
    for (const patch of [{}, { group: false }, { queueMode: null }, all])
      assert.deepEqual(parseInput(contactPatchSchema, patch, "contact"), patch);
  });

  it("has one of four queue modes, or its tier's", () => {
    refused(() => parseInput(contactPatchSchema, { queueMode: "later" }, "contact"), {
      code: "invalid_request",
      field: "queueMode",
      text: /"steer"\|"queue"\|"collect"\|"interrupt"/,
    });
  });

  it("is named as a whole when all of it is wrong", () => {
    refused(() => parseInput(contactPatchSchema, "John", "contact"), {
      code: "invalid_request",
      field: "contact",
      text: /^contact: .*expected object, received string$/,
    });
  });

  it("never gets a sender that is not whole", () => {
    refused(() => parseInput(senderSchema, { name: "J" }, "sender"), {
      code: "invalid_request",
      field: "id",
      text: /expected string, received undefined$/,
    });
  });
});
