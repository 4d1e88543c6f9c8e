/**
 * The dashboard's files: those of `src/dashboard` and the two libraries that it uses, from where they are installed.
 * What may be asked for is a table that is made at the start; no path is built from a request.
 *
 * The files are open to anyone who knows the address, as they hold nothing secret: the page asks for the token and
 * shows it to the API by itself. Its policy lets it run and load only what this table has, talk to this daemon alone,
 * and make no HTML from text.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { dirname, extname, join } from "node:path";
import type { Face } from "./route.ts";

const folder = join(import.meta.dirname, "../dashboard");

/** What each library's files import of each other is among them. */
const vendored: Record<string, readonly string[]> = {
  "lit-html": [
    "lit-html.js",
    "directive.js",
    "directive-helpers.js",
    "directives/guard.js",
    "directives/live.js",
    "directives/repeat.js",
  ],
  "eventsource-parser": ["dist/index.js", "dist/stream.js"],
};

const mediaTypes: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface Asset {
  content: Buffer<ArrayBuffer>;
  headers: Record<string, string>;
}

export function dashboardRoutes({ app }: Face): void {
  for (const [path, { content, headers }] of assets()) {
    app.get(path, (c) =>
      c.req.header("if-none-match") === headers.etag
        ? c.body(null, 304, headers)
        : c.body(content, 200, headers),
    );
  }
}

/** By the path under which each is served. */
function assets(): Map<string, Asset> {
  const page = asset(join(folder, "index.html"));
  const policy = policyOf(page.content.toString());
  const all = new Map([["/", { ...page, headers: { ...page.headers, ...policy } }]]);
  for (const name of readdirSync(folder)) {
    if (name !== "index.html" && extname(name) in mediaTypes) {
      all.set(`/dashboard/${name}`, asset(join(folder, name)));
    }
  }
  for (const [library, names] of Object.entries(vendored)) {
    const root = installed(library);
    for (const name of names) all.set(`/dashboard/vendor/${library}/${name}`, asset(join(root, name)));
  }
  return all;
}

function asset(file: string): Asset {
  const content = readFileSync(file);
  return {
    content,
    headers: {
      "content-type": mediaTypes[extname(file)] ?? "application/octet-stream",
      // Kept by the browser, but asked for each time: a page never meets scripts of another version.
      "cache-control": "no-cache",
      etag: `"${createHash("sha256").update(content).digest("base64url")}"`,
    },
  };
}

/** The folder of a package. Node's own resolution would give lit-html's build for servers. */
function installed(library: string): string {
  const manifest = findPackageJSON(library, import.meta.url);
  if (manifest === undefined) throw new Error(`the package ${library} is not installed`);
  return dirname(manifest);
}

function policyOf(page: string): Record<string, string> {
  // An import map can only stand in the page itself.
  const map = /<script type="importmap">(.*?)<\/script>/s.exec(page)?.[1] ?? "";
  const hash = createHash("sha256").update(map).digest("base64");
  return {
    "content-security-policy": [
      "default-src 'none'",
      `script-src 'self' 'sha256-${hash}'`,
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types lit-html",
    ].join("; "),
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
  };
}
