/** What can be held against the code without running anything. */

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, it } from "node:test";
import { parseConfig } from "../../src/config.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const documents = globSync(["*.md", "docs/*.md"], { cwd: root });

/** As GitHub names a heading. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");

describe("the documentation", () => {
  it("names every call of the library", () => {
    const [, face = ""] = /^export interface Switchboard \{(.*?)^\}/ms.exec(read("src/switchboard.ts")) ?? [];
    const calls = [...face.matchAll(/^ {2}(\w+)\(/gm)].map(([, call]) => call ?? "");
    assert.ok(calls.length > 20);
    const library = read("docs/library.md");
    const missing = calls.filter((call) => !new RegExp(`\`${call}[\`(]`).test(library));
    assert.deepEqual(missing, []);
  });

  it("shows configs that are valid", () => {
    const blocks = documents.flatMap((file) => [...read(file).matchAll(/```toml\n(.*?)```/gs)]);
    assert.ok(blocks.length >= 2);
    for (const [, text = ""] of blocks) parseConfig(text, "switchboard.toml");
  });

  it("links to nothing that is not there", () => {
    const dead = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target = ""]) => target)
        .filter((target) => !/^https?:/.test(target) && !reaches(file, target))
        .map((target) => `${file}: ${target}`),
    );
    assert.deepEqual(dead, []);
  });
});

function reaches(from: string, target: string): boolean {
  const [path = "", fragment] = target.split("#");
  const file = path === "" ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(root, file))) return false;
  if (fragment === undefined) return true;
  const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchor(heading));
  return headings.includes(fragment);
}
