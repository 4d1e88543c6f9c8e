/** The plain form of the registry: what goes out comes in again, and what is not understood is named and refused. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatRegistry, parseRegistry, type RegistryEntry } from "../../src/contacts/registry.ts";
import { SwitchboardError } from "../../src/errors.ts";

async function textOf(entries: RegistryEntry[]): Promise<string> {
  async function* each() {
    yield* entries;
  }
  let text = "";
  for await (const piece of formatRegistry(each())) text += piece;
  return text;
}

/** What is read, as what was written. */
async function reread(text: string): Promise<RegistryEntry[]> {
  return (await parseRegistry(text)).map(({ givenName: _, contact: { name, tier, group }, ...entry }) => {
    assert.ok(name !== undefined && tier !== undefined && group !== undefined);
    return { ...entry, contact: { name, tier, group } };
  });
}

async function refused(text: string, code: string, ...words: RegExp[]): Promise<SwitchboardError> {
  try {
    await parseRegistry(text);
  } catch (error) {
    assert.ok(error instanceof SwitchboardError, String(error));
    assert.equal(error.code, code);
    for (const word of words) assert.match(error.message, word);
    return error;
  }
  assert.fail(`was taken: ${text}`);
}

const sample = `{
  "+15551234567": {
    "session_name": "john-doe",
    "contact_name": "John Doe",
    "tier": "family",
    "session_id": "abc-123-def",
    "created_at": "2026-01-15T10:30:00.123456",
    "last_message_time": "2026-01-16T09:00:00+02:00",
    "source": "imessage"
  },
  "family": {
    "session_name": "family-chat",
    "contact_name": null,
    "tier": "favorite",
    "session_id": null,
    "group": true
  }
}
`;

describe("the registry's plain form", () => {
  it("is read key by key, with a time that has no zone as local and the session id as it is", async () => {
    const [john, family] = await parseRegistry(sample);
    assert.deepEqual(john, {
      chatId: "+15551234567",
      contact: { name: "John Doe", tier: "family" },
      givenName: "john-doe",
      sessionName: "john-doe",
      sessionId: "abc-123-def",
      createdAt: new Date(2026, 0, 15, 10, 30, 0, 123).getTime(),
      lastMessageAt: Date.UTC(2026, 0, 16, 7),
      extra: '{"source":"imessage"}',
    });
    assert.deepEqual(family?.contact, { name: null, tier: "favorite", group: true });
    assert.deepEqual([family.sessionId, family.createdAt, family.extra], [null, null, null]);
  });

  it("takes an entry that says nothing but its session's name", async () => {
    const [entry] = await parseRegistry('{"a": {"session_name": "sa"}}');
    assert.deepEqual([entry?.contact, entry?.sessionName, entry?.sessionId], [{}, "sa", null]);
  });

  it("makes a safe name of one that is none, and keeps the safe ones as they are", async () => {
    const names = ["john-doe-2", "imessage/_+1617", "../../etc", "Анна", "CON", "", "a".repeat(300)];
    const made = await Promise.all(
      names.map(async (name) => {
        const [entry] = await parseRegistry(JSON.stringify({ "+1": { session_name: name } }));
        return entry?.sessionName;
      }),
    );
    assert.deepEqual(made, ["john-doe-2", "imessage-1617", "etc", "1", "chat-con", "1", "a".repeat(48)]);
  });

  it("comes in again as it went out, whatever the contacts are called", async () => {
    const key = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("__proto__", "constructor", "toString", "12"),
    );
    const time = fc.oneof(fc.constant(null), fc.integer({ min: -1e12, max: 4e12 }));
    const own = [
      "session_name",
      "contact_name",
      "tier",
      "session_id",
      "created_at",
      "last_message_time",
      "group",
    ];
    const plain = { noNullPrototype: true };
    const entry = fc.record(
      {
        chatId: key.filter((id) => id !== "" && id !== "." && id !== ".." && !/\p{Cc}/u.test(id)),
        contact: fc.record(
          {
            name: fc.oneof(fc.constant(null), fc.constantFrom("Ada", "Łukasz", "李", 'O\'Neil "x"', "🙂")),
            tier: fc.constantFrom("admin", "family", "unknown"),
            group: fc.boolean(),
          },
          plain,
        ),
        sessionName: fc.constantFrom("ada", "john-doe-2", "x1"),
        sessionId: fc.oneof(fc.constant(null), fc.uuid()),
        createdAt: time,
        lastMessageAt: time,
        extra: fc
          .array(
            fc.tuple(
              key.filter((name) => !own.includes(name)),
              fc.jsonValue({ maxDepth: 3 }),
            ),
            { minLength: 0 },
          )
          .map((pairs) => {
            const unique = new Map(pairs);
            return unique.size === 0 ? null : JSON.stringify(Object.fromEntries(unique));
          }),
      },
      plain,
    );
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(entry, { selector: ({ chatId }) => chatId }), async (entries) => {
        const byId = (list: RegistryEntry[]) => list.toSorted((a, b) => (a.chatId < b.chatId ? -1 : 1));
        assert.deepEqual(byId(await reread(await textOf(entries))), byId(entries));
      }),
      { numRuns: 300 },
    );
  });

  it("is an empty object without chats", async () => {
    assert.equal(await textOf([]), "{}\n");
    assert.deepEqual(await parseRegistry("{}"), []);
  });

  it("gives other hosts' tiers the names that they have here", async () => {
    const text = '{"a": {"session_name": "a", "tier": "wife"}, "b": {"session_name": "b", "tier": "family"}}';
    const tiers = (await parseRegistry(text, { wife: "partner" })).map(({ contact }) => contact.tier);
    assert.deepEqual(tiers, ["partner", "family"]);
    await assert.rejects(parseRegistry(text, { wife: "queen" }), { code: "unknown_tier", field: "mapTier" });
  });

  it("is read or refused with a reason, whatever was done to it", async () => {
    const damage = fc.record({
      at: fc.nat({ max: sample.length }),
      length: fc.nat({ max: 40 }),
      text: fc.oneof(
        fc.string(),
        fc.constantFrom('"', "{", "}", "[", ",", "\n", "\\", "null", "\ud800", "1e999"),
      ),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, length, text }) => {
        const damaged = sample.slice(0, at) + text + sample.slice(at + length);
        try {
          await parseRegistry(damaged);
        } catch (error) {
          assert.ok(error instanceof SwitchboardError, `${error}`);
          assert.match(error.message, /line \d+|keyed by chat id/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  describe("is refused whole", () => {
    it("when it is damaged, with the line", async () => {
      for (const length of [sample.length - 2, 300, 120, 1, 0]) {
        const line = sample.slice(0, length).split("\n").length;
        await refused(
          sample.slice(0, length),
          "invalid_registry",
          /not valid JSON/,
          new RegExp(`line ${line}\\b`),
        );
      }
      await refused(sample.replace('"tier": "family",', '"tier": "family"'), "invalid_registry", /line 6/);
    });

    it("when it is something else", async () => {
      for (const text of ["[]", '"text"', "3", "null"])
        await refused(text, "invalid_registry", /keyed by chat id/);
      await refused('{"version": 3}', "invalid_registry", /line 1: "version": must be an object/);
      await refused(
        '{"sessions": {"a": {"session_name": "a"}}}',
        "invalid_registry",
        /"sessions".*session_name/,
      );
    });

    it("when one value is wrong, with its line and key", async () => {
      const wrong: Array<[from: string, to: string, ...words: RegExp[]]> = [
        ['"session_name": "john-doe"', '"session_name": 7', /line 2/, /"\+15551234567"\.session_name/],
        ['"contact_name": null', '"contact_name": ["x"]', /line 11/, /"family"\.contact_name/],
        ['"group": true', '"group": "yes"', /line 11/, /"family"\.group/],
        ["2026-01-15T10:30:00.123456", "yesterday", /created_at/, /ISO 8601/],
        ["2026-01-15T10:30:00.123456", "2026-02-30T10:30:00", /created_at/, /ISO 8601/],
        ["2026-01-16T09:00:00+02:00", "2026-01-16", /last_message_time/],
        ["2026-01-16T09:00:00+02:00", "9999-12-31T23:59:59-10:00", /last_message_time/],
        ["2026-01-16T09:00:00+02:00", "1899-12-31T23:59:59Z", /last_message_time/],
        ["abc-123-def", "abc\\u0000def", /session_id/],
        ["abc-123-def", "abc\\ud800def", /session_id/],
        ['"+15551234567"', '""', /line 2/, /1 to 256 bytes/],
        ['"+15551234567"', '"a\\u0000b"', /line 2/, /control/],
      ];
      for (const [from, to, ...words] of wrong) {
        assert.ok(sample.includes(from));
        const { hint } = await refused(sample.replace(from, to), "invalid_registry", ...words);
        assert.match(hint ?? "", /Nothing was imported/);
      }
    });

    it("when a tier does not exist here, with the way out", async () => {
      const error = await refused(sample.replace('"family",', '"wife",'), "unknown_tier", /line 2/, /tier/);
      assert.match(error.hint ?? "", /--map-tier theirs=ours/);
    });

    it("when a chat stands in it twice, which JSON would pass over", async () => {
      const twice = sample.replace('"family": {', '"+1555\\u0031234567": {');
      await refused(twice, "invalid_registry", /line 11/, /twice, first in line 2/);
    });

    it("when a key stands in a chat twice: which of two tiers was meant?", async () => {
      const twice = sample.replace('"contact_name": null,', '"contact_name": null, "t\\u0069er": "admin",');
      await refused(twice, "invalid_registry", /line 14/, /"tier": stands in one chat twice/);
      // Not keys of the chat, and so nobody's business.
      await parseRegistry('{"a": {"session_name": "a", "x": {"k": 1, "y": {"k": 2}}, "z": ["k", "k"]}}');
    });

    it("when two chats name one session: a conversation is one chat's", async () => {
      const twice = sample.replace('"session_id": null', '"session_id": "abc-123-def"');
      await refused(
        twice,
        "invalid_registry",
        /line 11: "family"\.session_id: is that of "\+15551234567" too/,
      );
    });

    it("in a moment, however long the string in which it was cut", async () => {
      // A scanner that goes back for each of these quotes would need an hour.
      const cut = `{"a": {"session_name": "a", "x": "${'\\"'.repeat(1_000_000)}`;
      await refused(cut, "invalid_registry", /not valid JSON/);
      const [entry] = await parseRegistry(`${cut}"}}`);
      assert.equal(entry?.extra?.length, 2_000_000 + '{"x":""}'.length);
    });

    it("when it is nested too deep for those who read it later", async () => {
      const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;
      await refused(
        `{"a": {"session_name": "a", "x": ${deep}}}`,
        "invalid_registry",
        /deeper than 32 levels/,
      );
    });
  });
});
