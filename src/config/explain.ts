/** Where each value that holds comes from. No secret is in what comes of it. Pure. */

import { parse } from "smol-toml";
import { leavesOf } from "./changes.ts";
import type { Key, Section } from "./keys.ts";
import type { Config } from "./schema.ts";

export interface Explained {
  /** In full. */
  key: string;
  /** Null: there is no fixed one, and `note` says what holds, or it is a secret. */
  value: unknown;
  note: string | null;
  /** The file's line that says it; null: it is the default. */
  line: number | null;
  /** A change of it holds from the next start on. */
  restart: boolean;
}

/** `text`: what the file says. */
export function explain(config: Config, text: string, sections: readonly Section[]): Explained[] {
  const lines = linesOf(text);
  const given = leavesOf(config);
  return sections.flatMap((section) => {
    if (section.example === null)
      return section.keys.map((key) => {
        const name = section.name === "" ? key.name : `${section.name}.${key.name}`;
        return explained(name, key, given.get(name), lines);
      });
    // Without a default there is nothing to tell of names that operators have not chosen.
    return [...given]
      .filter(([name]) => name.startsWith(`${section.name}.`))
      .map(([name, value]) => explained(name, keyIn(section, name), value, lines));
  });
}

function explained(
  name: string,
  key: Key | undefined,
  value: unknown,
  lines: ReadonlyMap<string, number>,
): Explained {
  const line = lines.get(name) ?? null;
  const restart = key?.restart ?? false;
  if (key?.secret === true) return { key: name, value: null, note: "not shown", line, restart };
  if (value === undefined) return { key: name, value: null, note: defaultIn(key), line, restart };
  return { key: name, value: withoutSecrets(value), note: null, line, restart };
}

/** What an address says beyond its host may be as good as a password. */
export function withoutSecrets(value: unknown): unknown {
  const url = typeof value === "string" && /^https?:/i.test(value) ? URL.parse(value) : null;
  if (url === null) return value;
  const isBare = url.pathname === "/" && url.search === "" && url.username === "" && url.password === "";
  return isBare ? value : `${url.origin}/…`;
}

/** Names that operators choose may hold dots. */
function keyIn({ keys }: Section, name: string): Key | undefined {
  return keys.find((key) => name.endsWith(`.${key.name}`) || name.includes(`.${key.name}.`));
}

function defaultIn(key: Key | undefined): string | null {
  return key?.description.split("Default: ")[1]?.replace(/\.$/, "") ?? null;
}

/**
 * The line on which each value begins. Lines are read one after the other as the beginning of the file, which is TOML
 * wherever no value is cut in two: what was not there before begins after the last such place.
 */
export function linesOf(text: string): Map<string, number> {
  const found = new Map<string, number>();
  const lines = text.split("\n");
  let begins = 1;
  for (const at of lines.keys()) {
    const read = tryParse(lines.slice(0, at + 1).join("\n"));
    if (read === null) continue;
    for (const key of leavesOf(read).keys()) if (!found.has(key)) found.set(key, begins);
    begins = at + 2;
  }
  return found;
}

function tryParse(text: string): object | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
