import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mendChain, missingLinks } from "../../src/claude/chain.ts";

const uuidOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** The n-th line of a conversation that follows the line before it. */
function line(n: number, text = "Grüße 🙂", more: object = {}): string {
  const parentUuid = n === 0 ? null : uuidOf(n - 1);
  return JSON.stringify({ parentUuid, ...more, type: "user", message: { content: text }, uuid: uuidOf(n) });
}
const note = '{"type":"last-prompt","leafUuid":"x"}';

/** What each line that is whole follows, oldest first. */
function parents(transcript: string): Array<[uuid: string, parentUuid: string | null]> {
  return transcript.split("\n").flatMap((text) => {
    try {
      const { uuid, parentUuid } = JSON.parse(text);
      return uuid === undefined ? [] : [[uuid, parentUuid] as [string, string | null]];
    } catch {
      return [];
    }
  });
}

async function mended(transcript: string): Promise<{ text: string; did: boolean }> {
  const folder = await mkdtemp(join(tmpdir(), "switchboard-chain-"));
  try {
    const file = join(folder, "transcript.jsonl");
    await writeFile(file, transcript);
    const did = await mendChain(file);
    return { text: await readFile(file, "utf8"), did };
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("the chain of a transcript", () => {
  it("is one again whichever lines were swallowed or cut, and nothing else has changed", async () => {
    const fates = fc.array(fc.constantFrom("whole", "whole", "swallowed", "cut", "run into the next"), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fates, async (fates) => {
        const transcript = fates
          .map((fate, n) => {
            if (fate === "swallowed") return "";
            if (fate === "whole") return `${line(n)}\n${note}\n`;
            return line(n).slice(0, line(n).length / 2) + (fate === "cut" ? "\n" : "");
          })
          .join("");
        const { text, did } = await mended(transcript);
        assert.equal(Buffer.byteLength(text), Buffer.byteLength(transcript));
        assert.equal(did, text !== transcript);
        const chain = parents(text);
        for (const [n, [, parent]] of chain.entries()) if (n > 0) assert.equal(parent, chain[n - 1]?.[0]);
        assert.deepEqual(
          chain.map(([uuid]) => uuid),
          parents(transcript).map(([uuid]) => uuid),
        );
        assert.equal((await mended(text)).did, false);
      }),
      { numRuns: 60 },
    );
  });

  it("of a copy is mended as its file is, so that it stays the file's beginning", () => {
    const whole = [0, 1, 3, 4, 6, 7].map((n) => `${line(n)}\n`);
    const links = missingLinks(whole.join(""));
    assert.equal(links.length, 2);
    for (let lines = 0; lines <= whole.length; lines++) {
      const copy = whole.slice(0, lines).join("");
      assert.deepEqual(
        missingLinks(copy),
        links.filter(({ at }) => at < copy.length),
      );
    }
  });

  it("is left alone where it begins anew, forks, or is a subagent's", () => {
    const lines = [
      line(0),
      line(1),
      line(2),
      // Back to an earlier line.
      JSON.stringify({ parentUuid: uuidOf(0), type: "user", uuid: uuidOf(20) }),
      // As after a compaction.
      JSON.stringify({ parentUuid: null, type: "system", uuid: uuidOf(21) }),
      JSON.stringify({ parentUuid: uuidOf(99), isSidechain: true, type: "user", uuid: uuidOf(22) }),
    ];
    assert.deepEqual(missingLinks(lines.join("\n")), []);
  });

  it("that has lost its very beginning is left as it is", () => {
    assert.deepEqual(missingLinks(`${line(5)}\n${line(6)}\n`), []);
  });
});
