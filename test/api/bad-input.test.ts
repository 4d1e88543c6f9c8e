/** What may come in over HTTP, against the real Switchboard: refused in words that help, or kept. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseConfig } from "../../src/config.ts";
import { open } from "../../src/open.ts";
import type { Switchboard } from "../../src/switchboard.ts";
import { type Face, serve } from "./face.ts";

describe("bad input", () => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-api-"));
  const home = join(folder, "home");
  const config = parseConfig("processes.max = 1", "test");
  let switchboard: Switchboard;
  let face: Face;
  const begin = async () => {
    switchboard = await open({ home, config });
    face = await serve(switchboard);
  };
  const end = async () => {
    await switchboard.close({ hurry: AbortSignal.abort() });
    await face.end();
  };
  before(begin);
  after(async () => {
    await end();
    rmSync(folder, { recursive: true });
  });

  const path = (chatId: string) => `/v1/chats/${encodeURIComponent(chatId)}`;
  const bots = { tier: "bots" };
  const send = (json: object, chatId = "alice") =>
    face.call("POST", `${path(chatId)}/messages`, { json: { contact: bots, ...json } });
  const raw = (body: string | Uint8Array<ArrayBuffer>) =>
    face.call("POST", "/v1/chats/alice/messages", { body, headers: { "content-type": "application/json" } });

  it("refuses what is no JSON, and says where it breaks", async () => {
    for (const [body, where] of [
      ['{"text": "Hello",}', /position 17/],
      ['{"text": "Hello"', /position 16/],
      ["", /end of JSON/],
      ["text=Hello", /JSON/],
    ] as const) {
      const { status, body: answer } = await raw(body);
      assert.deepEqual([body, status, answer.error.code], [body, 400, "invalid_json"]);
      assert.match(answer.error.message, where);
    }
  });

  it("refuses a body that is not JSON by its own account, with what to do about it", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ]) {
      const { status, body } = await face.call("POST", "/v1/chats/alice/messages", {
        body: '{"text":"Hello"}',
        headers: { "content-type": type },
      });
      assert.deepEqual([type, status, body.error.code], [type, 415, "unsupported_media_type"]);
      assert.match(body.error.hint, /application\/json/);
    }
  });

  it("refuses JSON that is no message, and names the field", async () => {
    for (const [json, field] of [
      [[], "body"],
      [null, "body"],
      ["Hello", "body"],
      [{}, "text"],
      [{ text: 1 }, "text"],
      [{ text: "Hello", txt: "Hello" }, "txt"],
      [{ text: "Hello", id: "" }, "id"],
      [{ text: "Hello", id: "x".repeat(257) }, "id"],
      [{ text: "Hello", contact: { name: "two\nlines" } }, "contact.name"],
      [{ text: "Hello", contact: { nickname: "x" } }, "contact.nickname"],
      [{ text: "Hello", sender: { id: "1" } }, "sender.name"],
    ] as const) {
      const { status, body } = await raw(JSON.stringify(json));
      assert.deepEqual(
        [json, status, body.error.code, body.error.field],
        [json, 400, "invalid_request", field],
      );
    }
  });

  it("refuses a text that cannot be carried as it is", async () => {
    for (const text of ["", "   \n", "a\0b", "a\ud800b", "\udc00"]) {
      const { status, body } = await send({ text });
      assert.deepEqual(
        [text, status, body.error.code, body.error.field],
        [text, 400, "invalid_text", "text"],
      );
    }
    const { status, body } = await raw(
      new Uint8Array([...Buffer.from('{"text":"'), 0xff, ...Buffer.from('"}')]),
    );
    assert.deepEqual([status, body.error.code], [400, "invalid_text"]);
  });

  it("refuses a text that is too long, in a body that is and in one that is not", async () => {
    for (const length of [262_145, 10_000_000]) {
      const { status, body } = await send({ text: "x".repeat(length) });
      assert.deepEqual([length, status, body.error.code], [length, 413, "too_large"]);
    }
    // Counted in bytes of UTF-8, however it is written.
    assert.equal((await send({ text: "€".repeat(87_382) })).status, 413);
    const escaped = `{"contact":{"tier":"bots"},"text":"${"\\u0061".repeat(262_144)}"}`;
    assert.equal((await raw(escaped)).status, 202);
  });

  it("refuses attachments that it cannot take", async () => {
    const { status, body } = await send({ text: "Hello", attachments: [{ name: "x", data: "no base64" }] });
    assert.deepEqual([status, body.error.code], [400, "invalid_attachment"]);
    assert.equal((await send({ text: "Hello", attachments: [] })).status, 202);
  });

  it("refuses a chat id that is too long, empty of sense, or not UTF-8", async () => {
    const ids = [
      "%zz",
      "%",
      "%ff",
      "%ED%A0%80",
      "%00",
      "%0a",
      "a%7F",
      "x".repeat(257),
      "x".repeat(10_000),
      "%C3%A4".repeat(129),
    ];
    for (const id of ids) {
      for (const [method, rest] of [
        ["GET", ""],
        ["POST", "/messages"],
        ["POST", "/stop"],
        ["GET", "/events"],
      ] as const) {
        const json = method === "POST" ? { text: "Hello", contact: bots } : undefined;
        const { status, body } = await face.call(method, `/v1/chats/${id}${rest}`, { json });
        assert.deepEqual([id, rest, status, body.error.code], [id, rest, 400, "invalid_chat_id"]);
      }
    }
  });

  const strange = [
    "../../etc",
    "a/b=",
    "%2F",
    "100%",
    "😀",
    "ä".repeat(128),
    "..%2f",
    "a b",
    "+15551234567",
    "constructor",
  ];

  it("keeps any other chat id as it is, and none of them leaves the home", async () => {
    for (const chatId of strange) {
      const sent = await send({ text: "Hello" }, chatId);
      assert.deepEqual([sent.status, sent.body.chatId], [202, chatId]);
      const chat = await face.call("GET", path(chatId));
      assert.deepEqual([chat.status, chat.body.chatId], [200, chatId]);
      const { body } = await face.call("GET", `${path(chatId)}/messages`);
      assert.equal(body.history[0].chatId, chatId);
      assert.match(chat.body.sessionName, /^[a-z0-9-]+$/);
    }
    assert.deepEqual(readdirSync(folder), ["home"]);
  });

  it("refuses a tier that does not exist, and a chat that nobody has named", async () => {
    const unknown = await send({ text: "Hello", contact: { tier: "boss" } });
    assert.deepEqual([unknown.status, unknown.body.error.code], [400, "unknown_tier"]);
    assert.match(unknown.body.error.message, /family/);
    for (const contact of [{}, { tier: "unknown" }, { name: "No tier" }]) {
      const { status, body } = await send({ text: "Hello", contact }, "stranger");
      assert.deepEqual([contact, status, body.error.code], [contact, 403, "refused_contact"]);
    }
    assert.equal((await face.call("GET", "/v1/chats/stranger")).status, 404);
    const put = await face.call("PUT", "/v1/chats/stranger", { json: { contact: { tier: "boss" } } });
    assert.deepEqual([put.status, put.body.error.code], [400, "unknown_tier"]);
  });

  it("tells contacts of one name apart, also when only the case differs", async () => {
    const names = ["John Doe", "John Doe", "JOHN DOE", "john-doe"];
    const sessionNames = new Set<string>();
    for (const [i, name] of names.entries()) {
      const { status, body } = await face.call("PUT", `/v1/chats/john-${i}`, {
        json: { contact: { name, ...bots } },
      });
      assert.deepEqual([status, body.contact.name], [200, name]);
      sessionNames.add(body.sessionName.toLowerCase());
    }
    assert.equal(sessionNames.size, names.length);
  });

  it("has lost nothing of what it accepted, after another start", async () => {
    await end();
    await begin();
    for (const chatId of strange) {
      const { status, body } = await face.call("GET", `${path(chatId)}/messages`);
      assert.deepEqual([chatId, status, body.history[0].text], [chatId, 200, "Hello"]);
    }
  });
});
