/** What no honest client sends, byte for byte: each is refused with its own error, nothing of it is kept, and the server goes on. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Face, serve, token } from "./face.ts";
import { MemorySwitchboard } from "./memory.ts";

const json = (value: unknown) => JSON.stringify(value);
const deep = (levels: number, inner: string) => `${"[".repeat(levels)}${inner}${"]".repeat(levels)}`;

/** The lines of a request's head; the rest of it is made from them. */
interface Raw {
  line?: string;
  headers?: string[];
  body?: string | Buffer;
  /** Default: as long as the body is. */
  length?: string | null;
  auth?: string | null;
}

const message = "/v1/chats/alice/messages";

function bytesOf({ line, headers = [], body = "", length, auth = `Bearer ${token}` }: Raw): Buffer {
  const content = Buffer.from(body);
  const head = [
    line ?? `POST ${message} HTTP/1.1`,
    ...(headers.some((header) => /^host:/i.test(header)) ? [] : ["Host: localhost"]),
    ...(auth === null ? [] : [`Authorization: ${auth}`]),
    ...(headers.some((header) => /^content-type:/i.test(header)) ? [] : ["Content-Type: application/json"]),
    ...(length === null ? [] : [`Content-Length: ${length ?? content.length}`]),
    "Connection: close",
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), content]);
}

const text = (value: unknown, more: object = {}): Raw => ({
  body: json({ text: value, contact: { tier: "family" }, ...more }),
});
const good = text("Hello");

/** `code`: null where the server itself hangs up, before anything of ours has seen the request. */
const cases: Array<[what: string, raw: Raw, status: number, code: string | null, field?: string]> = [
  // Who asks
  ["no token", { ...good, auth: null }, 401, "unauthorized"],
  ["an empty token", { ...good, auth: "Bearer " }, 401, "unauthorized"],
  ["a token with more behind it", { ...good, auth: `Bearer ${token}x` }, 401, "unauthorized"],
  ["another scheme", { ...good, auth: `Basic ${token}` }, 401, "unauthorized"],
  ["two tokens", { ...good, headers: ["Authorization: Bearer wrong"] }, 401, "unauthorized"],
  ["a foreign host", { ...good, headers: ["Host: evil.example"] }, 403, "foreign_host"],
  [
    "a host that only begins like ours",
    { ...good, headers: ["Host: localhost.evil.example"] },
    403,
    "foreign_host",
  ],
  ["a host with a user in it", { ...good, headers: ["Host: localhost@evil.example"] }, 400, null],
  ["two hosts", { ...good, headers: ["Host: localhost", "Host: evil.example"] }, 403, "foreign_host"],
  ["an empty host", { ...good, headers: ["Host: "] }, 400, null],
  ["another site's page", { ...good, headers: ["Origin: https://evil.example"] }, 403, "foreign_origin"],
  ["a page without an origin", { ...good, headers: ["Origin: null"] }, 403, "foreign_origin"],
  [
    "a host in the request's line",
    { ...good, line: `POST http://evil.example${message} HTTP/1.1` },
    403,
    "foreign_host",
  ],
  // The request itself
  ["no such protocol", { ...good, line: `POST ${message} HTTP/9.9` }, 400, null],
  ["no method at all", { ...good, line: `GIVE-ME ${message} HTTP/1.1` }, 400, null],
  ["a method that is not offered", { ...good, line: `PATCH ${message} HTTP/1.1` }, 405, "method_not_allowed"],
  [
    "another method in a header",
    { line: `GET ${message} HTTP/1.1`, headers: ["X-HTTP-Method-Override: DELETE"], length: null },
    404,
    "not_found",
  ],
  ["two lengths", { ...good, headers: ["Content-Length: 1"] }, 400, null],
  ["a length and pieces", { ...good, headers: ["Transfer-Encoding: chunked"] }, 400, null],
  ["a length that is none", { ...good, length: "-1" }, 400, null],
  ["a length beyond all numbers", { ...good, length: "99999999999999999999" }, 400, null],
  ["a coding that nobody knows", { ...good, length: null, headers: ["Transfer-Encoding: gzip"] }, 400, null],
  ["a header that goes on in the next line", { ...good, headers: ["X-A: b\r\n c: d"] }, 400, null],
  ["a header with a NUL", { ...good, headers: ["X-A: b\0c"] }, 400, null],
  ["a header without a name", { ...good, headers: [": b"] }, 400, null],
  ["endless headers", { ...good, headers: [`X-A: ${"a".repeat(100_000)}`] }, 431, null],
  [
    "a form",
    { ...good, headers: ["Content-Type: application/x-www-form-urlencoded"] },
    415,
    "unsupported_media_type",
  ],
  ["JSON as text", { ...good, headers: ["Content-Type: text/plain"] }, 415, "unsupported_media_type"],
  // The path
  [
    "a chat id of a NUL",
    { ...good, line: "POST /v1/chats/%00/messages HTTP/1.1" },
    400,
    "invalid_chat_id",
    "chatId",
  ],
  [
    "a chat id of half a character",
    { ...good, line: "POST /v1/chats/%c3/messages HTTP/1.1" },
    400,
    "invalid_chat_id",
  ],
  [
    "a chat id with a line's end",
    { ...good, line: "POST /v1/chats/a%0d%0ab/messages HTTP/1.1" },
    400,
    "invalid_chat_id",
    "chatId",
  ],
  [
    "a chat id that is too long",
    { ...good, line: `POST /v1/chats/${"a".repeat(257)}/messages HTTP/1.1` },
    400,
    "invalid_chat_id",
    "chatId",
  ],
  ["a path upwards", { ...good, line: "POST /v1/chats/../../etc/passwd HTTP/1.1" }, 404, "not_found"],
  ["a path upwards, encoded", { ...good, line: "POST /v1/chats/%2e%2e/messages HTTP/1.1" }, 404, "not_found"],
  [
    "a file of the dashboard's folder",
    { line: "GET /dashboard/..%2f..%2fpackage.json HTTP/1.1", length: null },
    404,
    "not_found",
  ],
  [
    "a query that is not known",
    { ...good, line: `POST ${message}?admin=true HTTP/1.1` },
    400,
    "invalid_request",
    "admin",
  ],
  [
    "a wait without end",
    { ...good, line: `POST ${message}?wait=1e9 HTTP/1.1` },
    400,
    "invalid_request",
    "wait",
  ],
  // The body
  ["no body", { body: "" }, 400, "invalid_json", "body"],
  ["half a body of JSON", { body: '{"text":"' }, 400, "invalid_json", "body"],
  [
    "JSON behind a byte order mark twice",
    { body: `\ufeff\ufeff${json({ text: "x" })}` },
    400,
    "invalid_json",
    "body",
  ],
  ["bytes that are no UTF-8", { body: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, "invalid_text", "body"],
  ["a list", { body: "[]" }, 400, "invalid_request", "body"],
  ["a body nested a hundred thousand times", { body: deep(30_000, "") }, 400, "invalid_request", "body"],
  [
    "a route nested beyond reason",
    text("x", { route: JSON.parse(deep(40, "1")) }),
    400,
    "invalid_request",
    "route",
  ],
  [
    "a key for every object",
    { body: '{"text":"x","__proto__":{"tier":"admin"}}' },
    400,
    "invalid_request",
    "__proto__",
  ],
  [
    "a constructor",
    { body: '{"text":"x","constructor":{"prototype":{}}}' },
    400,
    "invalid_request",
    "constructor",
  ],
  ["a key that is not known", text("x", { admin: true }), 400, "invalid_request", "admin"],
  [
    "a tier that does not exist",
    text("x", { contact: { tier: "root" } }),
    400,
    "unknown_tier",
    "contact.tier",
  ],
  [
    "a tier that is a list",
    text("x", { contact: { tier: ["admin"] } }),
    400,
    "invalid_request",
    "contact.tier",
  ],
  ["a name of two lines", text("x", { contact: { name: "a\nb" } }), 400, "invalid_request", "contact.name"],
  ["a sender without an id", text("x", { sender: { name: "a" } }), 400, "invalid_request", "sender.id"],
  ["an id with a line's end", text("x", { id: "a\r\nb" }), 400, "invalid_request", "id"],
  // The text
  ["a text that is none", text(5), 400, "invalid_request", "text"],
  ["a text of nothing", text(""), 400, "invalid_text", "text"],
  ["a text of blanks", text(" \n\t\u00a0\u2003"), 400, "invalid_text", "text"],
  ["a text with a NUL", text("a\0b"), 400, "invalid_text", "text"],
  ["a text of half a pair", { body: '{"text":"\\ud800"}' }, 400, "invalid_text", "text"],
  ["a body that is too long", text("x".repeat(200_000)), 413, "too_large", "body"],
];

describe("a hostile request", () => {
  let face: Face;
  const switchboard = new MemorySwitchboard();
  before(async () => {
    face = await serve(switchboard, { textBytes: 1000, requestTimeoutMs: 6000 });
  });
  after(() => face.end());

  function answerTo(raw: Raw): Promise<string> {
    return new Promise((resolve) => {
      let said = "";
      const socket = connect(Number(new URL(face.url).port), "127.0.0.1", () => socket.write(bytesOf(raw)));
      socket.on("data", (chunk) => {
        said += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(said));
    });
  }

  it("is one of at least fifty", () => assert.ok(cases.length >= 50, String(cases.length)));

  for (const [what, raw, status, code, field] of cases)
    it(`is refused: ${what}`, async () => {
      const said = await answerTo(raw);
      assert.equal(Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1]), status, said.slice(0, 500));
      const body = said.slice(said.indexOf("\r\n\r\n") + 4);
      const error =
        code === null ? null : JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)).error;
      assert.deepEqual([error?.code ?? null, error === null ? undefined : error.field], [code, field], body);
      if (error !== null) assert.ok(error.message.length > 0);
      assert.deepEqual(await switchboard.chats(), { chats: [], next: null });
    });

  it("leaves the server as it was", async () => {
    assert.match(
      await answerTo({ line: "GET /healthz HTTP/1.1", length: null, auth: null }),
      /^HTTP\/1\.1 200 /,
    );
    assert.match(await answerTo(good), /^HTTP\/1\.1 202 /);
  });
});
