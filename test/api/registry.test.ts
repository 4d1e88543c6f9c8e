/** The registry over HTTP, against the real Switchboard: a file as it is goes in, and comes out. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { open } from "../../src/open.ts";
import type { Switchboard } from "../../src/switchboard.ts";
import { type Face, serve } from "./face.ts";

describe("the registry over HTTP", () => {
  const folder = mkdtempSync(join(tmpdir(), "switchboard-api-"));
  let switchboard: Switchboard;
  let face: Face;
  before(async () => {
    switchboard = await open({ home: join(folder, "home") });
    face = await serve(switchboard);
  });
  after(async () => {
    await switchboard.close({ hurry: AbortSignal.abort() });
    await face.end();
    rmSync(folder, { recursive: true });
  });

  const headers = { "content-type": "application/json" };
  const send = (body: string | Uint8Array<ArrayBuffer>, query = "") =>
    face.call("POST", `/v1/registry${query}`, { body, headers });
  const chats = async () => (await face.call("GET", "/v1/chats")).body.chats.length;

  it("takes a file and gives it out again, as a file that the same call takes", async () => {
    const file = `{\n  "a": {"session_name": "ann", "contact_name": "Ann", "tier": "wife", "x": [1]},\n  "b": {"session_name": "ben"}\n}\n`;
    const { status, body } = await send(file, "?mapTier=wife%3Dpartner&mapTier=boss%3Dadmin");
    assert.deepEqual([status, body.new, body.unproven], [200, 2, []]);
    const out = await face.call("GET", "/v1/registry");
    assert.equal(out.headers.get("content-type"), "application/json");
    assert.deepEqual(Object.keys(out.body), ["a", "b"]);
    assert.deepEqual([out.body.a.tier, out.body.a.x, out.body.b.tier], ["partner", [1], "unknown"]);
    const again = await send(JSON.stringify(out.body));
    assert.deepEqual([again.status, again.body.unchanged], [200, 2]);
    const head = await face.call("HEAD", "/v1/registry");
    assert.deepEqual([head.status, head.body], [200, ""]);
  });

  it("refuses what it does not understand, names it, and changes nothing", async () => {
    const known = await chats();
    const good = '{"new": {"session_name": "new"}';
    for (const [body, query, status, code, field] of [
      [`${good}, "bad": {}}`, "", 400, "invalid_registry", '"bad".session_name'],
      [`${good}, "bad": {"session_name": "x", "tier": "wife"}}`, "", 400, "unknown_tier", '"bad".tier'],
      [good, "", 400, "invalid_registry", "body"],
      [`${good}}`, "?mapTier=wife", 400, "invalid_request", "mapTier"],
      [`${good}}`, "?mapTier=wife%3Dqueen", 400, "unknown_tier", "mapTier"],
      [`${good}}`, "?transcripts=here", 400, "invalid_request", "transcripts"],
      [`${good}}`, "?transcripts=%2Fnowhere", 400, "invalid_request", "transcripts"],
      [`${good}}`, "?other=1", 400, "invalid_request", "other"],
    ] as const) {
      const answer = await send(body, query);
      assert.deepEqual([answer.status, answer.body.error?.code], [status, code], body + query);
      assert.equal(answer.body.error.field, field);
    }
    const binary = await send(new Uint8Array([0x7b, 0xff, 0x7d]));
    assert.deepEqual([binary.status, binary.body.error.code], [400, "invalid_text"]);
    const form = await face.call("POST", "/v1/registry", {
      body: "{}",
      headers: { "content-type": "text/plain" },
    });
    assert.equal(form.status, 415);
    const large = await send(`{"a": "${"x".repeat(32 * 1024 * 1024)}"}`);
    assert.deepEqual([large.status, large.body.error.code], [413, "too_large"]);
    assert.equal(await chats(), known);
  });

  it("streams ten thousand chats, and takes them", async () => {
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, n) => [`many:${n}`, { session_name: "ann", tier: "family" }]),
    );
    const { body } = await send(JSON.stringify(many));
    assert.deepEqual([body.new, body.renamed.length], [10_000, 10_000]);
    const out = (await face.call("GET", "/v1/registry")).body;
    const names = Object.keys(out).filter((chatId) => chatId.startsWith("many:"));
    assert.equal(names.length, 10_000);
    assert.equal(new Set(names.map((chatId) => out[chatId].session_name)).size, 10_000);
  });
});
