/** The dashboard's files as the API serves them: whole, open, bound to this daemon, and nothing besides. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type Face, serve } from "../api/face.ts";
import { MemorySwitchboard } from "../api/memory.ts";

describe("the dashboard's files", () => {
  let face: Face;
  before(async () => {
    face = await serve(new MemorySwitchboard());
  });
  after(() => face.end());
  const open = (path: string, headers: Record<string, string> = {}) => fetch(face.url + path, { headers });

  it("are served without a token, each that the page and its modules name", async () => {
    const page = await (await open("/")).text();
    const { imports } = JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(page)?.[1] ?? "{}");
    const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
    const seen = new Set<string>();
    for (const path of named) {
      if (seen.has(path)) continue;
      seen.add(path);
      const response = await open(path);
      assert.equal(response.status, 200, path);
      if (!path.endsWith(".js")) continue;
      assert.equal(response.headers.get("content-type"), "text/javascript; charset=utf-8");
      const source = (await response.text()).replace(/\/\*.*?\*\//gs, "");
      for (const [, specifier = ""] of source.matchAll(/\b(?:from|import) ?"([^"]+)"/g)) {
        named.push(resolve(specifier, path, imports));
      }
    }
    assert.ok(seen.has("/dashboard/app.js") && seen.has("/dashboard/vendor/lit-html/lit-html.js"));
  });

  it("are the browser's to keep, and are asked for each time", async () => {
    const first = await open("/dashboard/main.js");
    assert.equal(first.headers.get("cache-control"), "no-cache");
    assert.equal(first.headers.get("x-content-type-options"), "nosniff");
    const etag = first.headers.get("etag") ?? "";
    const again = await open("/dashboard/main.js", { "if-none-match": etag });
    assert.deepEqual([again.status, await again.text()], [304, ""]);
    assert.equal((await open("/dashboard/main.js", { "if-none-match": '"another"' })).status, 200);
  });

  it("let the page run and load nothing but themselves", async () => {
    const response = await open("/");
    const policy = response.headers.get("content-security-policy") ?? "";
    const map = /<script type="importmap">(.*?)<\/script>/s.exec(await response.text())?.[1] ?? "";
    const hash = createHash("sha256").update(map).digest("base64");
    const parts = policy.split("; ");
    for (const part of [
      "default-src 'none'",
      `script-src 'self' 'sha256-${hash}'`,
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "form-action 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      assert.ok(parts.includes(part), `${part} is not in ${policy}`);
    }
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  });

  it("are all that is open: another path asks for the token, however it is written", async () => {
    for (const path of [
      "/dashboard/",
      "/dashboard/none.js",
      "/dashboard/..%2fapi%2fapi.ts",
      "/dashboard/vendor/lit-html/package.json",
      "/dashboard/vendor/lit-html/..%2f..%2fzod%2findex.js",
    ]) {
      assert.equal((await open(path)).status, 401, path);
    }
  });
});

/** A module's URL as a browser finds it. */
function resolve(specifier: string, from: string, imports: Record<string, string>): string {
  if (specifier.startsWith(".")) return new URL(specifier, `http://x${from}`).pathname;
  const exact = imports[specifier];
  if (exact !== undefined) return exact;
  const prefix = Object.keys(imports).find((name) => name.endsWith("/") && specifier.startsWith(name)) ?? "";
  return `${imports[prefix]}${specifier.slice(prefix.length)}`;
}
