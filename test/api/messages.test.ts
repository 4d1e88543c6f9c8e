import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { chatIdSchema } from "../../src/contacts/inbound.ts";
import { SwitchboardError } from "../../src/errors.ts";
import type { Logger } from "../../src/log.ts";
import { silent } from "../../src/log.ts";
import { type Face, serve } from "./face.ts";
import { MemorySwitchboard } from "./memory.ts";

describe("messages over HTTP", () => {
  let switchboard: MemorySwitchboard;
  let face: Face;
  const logged: object[] = [];
  const log: Logger = { ...silent, error: (fields) => void logged.push(fields) };
  before(async () => {
    switchboard = new MemorySwitchboard();
    face = await serve(switchboard, { log });
  });
  after(() => face.end());
  beforeEach(() => {
    switchboard.host.state = "running";
    logged.length = 0;
  });

  const send = (json: unknown, query = "", chat = "alice") =>
    face.call("POST", `/v1/chats/${chat}/messages${query}`, { json });

  it("answers 202 with the message, which then can be fetched", async () => {
    const { status, body, headers } = await send({ text: "Hello" });
    assert.equal(status, 202);
    assert.equal(body.status, "queued");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.deepEqual((await face.call("GET", `/v1/messages/${body.id}`)).body, body);
  });

  it("gets every chat id as it is, whatever a URL makes of its characters", async () => {
    const parts = fc.constantFrom(..."az%/\\?#&+ ;:@=.~é😀", "..", "%2F", "%25", "%zz", "%F0%9F", "\u202e");
    const ids = fc.array(parts, { minLength: 1, maxLength: 8 }).map((some) => some.join(""));
    await fc.assert(
      fc.asyncProperty(ids, async (id) => {
        fc.pre(chatIdSchema.safeParse(id).success);
        const { status, body } = await send({ text: "Hello" }, "", encodeURIComponent(id));
        assert.deepEqual([status, body.chatId], [202, id]);
      }),
      { numRuns: 100 },
    );
  });

  it("shows the same external id again as it stands, and refuses it with another text", async () => {
    const first = await send({ text: "Hello", id: "m1" });
    const again = await send({ text: "Hello", id: "m1" });
    assert.deepEqual([again.status, again.body.id], [200, first.body.id]);
    const other = await send({ text: "Bye", id: "m1" });
    assert.deepEqual([other.status, other.body.error.code], [409, "conflict"]);
  });

  it("holds until the end status with ?wait: 200 with the reply", async () => {
    const waiting = send({ text: "Hello", id: "waited" }, "?wait=300");
    const { body } = await send({ text: "Hello", id: "waited" });
    switchboard.answer(body.id, "Hi");
    const { status, body: message } = await waiting;
    assert.deepEqual([status, message.status, message.reply.text], [200, "answered", "Hi"]);
  });

  it("answers 202 with the message as it stands when the wait was too short", async () => {
    const { status, body } = await send({ text: "Hello" }, "?wait=1");
    assert.deepEqual([status, body.status], [202, "queued"]);
  });

  it("waits for a message that is known already as for a new one", async () => {
    const { body } = await send({ text: "Hello", id: "twice" });
    const waiting = send({ text: "Hello", id: "twice" }, "?wait=300");
    await new Promise((resolve) => setImmediate(resolve));
    switchboard.answer(body.id, "Hi");
    assert.equal((await waiting).body.reply.text, "Hi");
  });

  it("refuses a wait that is no number of seconds up to 300, and a query that it does not know", async () => {
    for (const query of [
      "?wait=301",
      "?wait=-1",
      "?wait=1.5",
      "?wait=",
      "?wait=x",
      "?wait=1&wait=2",
      "?wiat=1",
    ]) {
      const { status, body } = await send({ text: "Hello" }, query);
      assert.deepEqual([query, status, body.error.code], [query, 400, "invalid_request"]);
      assert.match(body.error.field, /^w/);
    }
  });

  it("pages through the history, and knows no history of a chat that it does not know", async () => {
    for (const text of ["one", "two", "three"]) await send({ text }, "", "pages");
    const first = (await face.call("GET", "/v1/chats/pages/messages?limit=2")).body;
    assert.deepEqual(
      first.history.map(({ text }: { text: string }) => text),
      ["one", "two"],
    );
    const rest = (await face.call("GET", `/v1/chats/pages/messages?limit=2&after=${first.next}`)).body;
    assert.deepEqual([rest.history.length, rest.history[0].text, rest.next], [1, "three", null]);
    const last = (await face.call("GET", "/v1/chats/pages/messages?limit=2&order=newest")).body;
    assert.deepEqual(
      last.history.map(({ text }: { text: string }) => text),
      ["three", "two"],
    );
    const before = (await face.call("GET", `/v1/chats/pages/messages?order=newest&before=${last.next}`)).body;
    assert.deepEqual([before.history.length, before.history[0].text, before.next], [1, "one", null]);
    assert.equal((await face.call("GET", "/v1/chats/nobody/messages")).status, 404);
    for (const query of ["limit=0", "limit=1001", "after=-1", "after=x", "before=x", "order=last"]) {
      assert.equal((await face.call("GET", `/v1/chats/pages/messages?${query}`)).status, 400, query);
    }
  });

  it("answers each error with its status, and says when to come again", async () => {
    const expected = {
      refused_contact: [403, null],
      too_large: [413, null],
      conflict: [409, null],
      overloaded: [429, "10"],
      rate_limited: [429, "10"],
      draining: [503, "5"],
      storage_full: [503, "30"],
      storage_busy: [503, "5"],
      storage_failed: [503, "30"],
    } as const;
    for (const [code, [status, retryAfter]] of Object.entries(expected)) {
      switchboard.failNext = new SwitchboardError(code as keyof typeof expected, "why", {
        field: "f",
        hint: "h",
      });
      const answer = await send({ text: "Hello" });
      assert.deepEqual([code, answer.status, answer.headers.get("retry-after")], [code, status, retryAfter]);
      assert.deepEqual(answer.body, { error: { code, message: "why", field: "f", hint: "h" } });
    }
    assert.deepEqual(logged, []);
  });

  it("answers a defect with 500 and without its text, which the log gets", async () => {
    const defect = new TypeError("secret of the inside");
    switchboard.failNext = defect;
    const { status, body } = await send({ text: "Hello" });
    assert.deepEqual([status, body.error.code], [500, "internal"]);
    assert.doesNotMatch(JSON.stringify(body), /secret/);
    assert.deepEqual(logged, [{ err: defect }]);
  });

  it("tells what the daemon is", async () => {
    const { status, body } = await face.call("GET", "/v1/host");
    assert.equal(status, 200);
    assert.deepEqual(body, switchboard.host);
  });

  it("is not ready while it drains, and takes no message", async () => {
    switchboard.host.state = "draining";
    const ready = await face.call("GET", "/readyz");
    assert.deepEqual(
      [ready.status, ready.body.error.code, ready.headers.get("retry-after")],
      [503, "draining", "5"],
    );
    const sent = await send({ text: "Hello" });
    assert.deepEqual([sent.status, sent.body.error.code], [503, "draining"]);
    assert.equal((await face.call("GET", "/healthz")).status, 200);
  });

  it("says which methods a path has, and that a path is none", async () => {
    const wrong = await face.call("DELETE", "/v1/chats/a%2Fb/messages");
    assert.deepEqual([wrong.status, wrong.body.error.code], [405, "method_not_allowed"]);
    assert.deepEqual(wrong.headers.get("allow")?.split(", ").sort(), ["GET", "HEAD", "POST"]);
    for (const path of ["/v1", "/v1/chats/", "/v1/chats/a/nothing", "/v1/chats//messages", "/metric"]) {
      const { status, body } = await face.call("GET", path);
      assert.deepEqual([path, status, body.error.code], [path, 404, "not_found"]);
    }
  });

  it("passes a shutdown on, as often as it is asked for", async () => {
    for (const count of [1, 2]) {
      const { status, body } = await face.call("POST", "/v1/shutdown");
      assert.deepEqual([status, body, face.shutdowns], [202, { state: "draining", pid: process.pid }, count]);
    }
  });

  it("describes every route by the schemas that it validates with", async () => {
    const { body: document } = await face.call("GET", "/v1/openapi.json");
    assert.equal(document.openapi, "3.1.0");
    assert.deepEqual(document.components.schemas.MessageInput.required, ["text"]);
    assert.equal(document.components.schemas.MessageInput.additionalProperties, false);
    const post = document.paths["/v1/chats/{chatId}/messages"].post;
    assert.deepEqual(Object.keys(post.responses).sort(), [
      "200",
      "202",
      "400",
      "401",
      "403",
      "409",
      "413",
      "415",
      "429",
      "500",
      "503",
    ]);
  });
});
