/** The text of a `switchboard.toml` in which everything stands, and nothing is changed yet. */

import type { Key, Section } from "./keys.ts";

/** Columns of a comment. */
const width = 100;

const head = `Switchboard's configuration. Everything here is a comment: Switchboard does what it does without this file.
A key after "#" stands there with its default: take the "#" away and change it. One after "# " has none, and is an example.
"switchboard config check" explains what holds and why; "switchboard reload" has the daemon read this file again.`;

export function templateOf(sections: readonly Section[]): string {
  return `${[comment(head), ...sections.map(sectionText)].join("\n\n")}\n`;
}

function sectionText({ name, description, example, keys }: Section): string {
  const texts = keys.map((key) => keyText(key, example !== null));
  if (name === "") return texts.join("\n\n");
  const title = example === null ? `[${name}]` : `# [${name}.${example}]`;
  return [`${comment(description)}\n${title}`, ...texts].join("\n\n");
}

function keyText(
  { name, description, default: fallback, example, restart }: Key,
  isExample: boolean,
): string {
  const value = fallback ?? example;
  const mark = fallback === undefined || isExample ? "# " : "#";
  const when = restart ? " A change holds from the next start on." : "";
  return `${comment(`${description}${when}`)}\n${mark}${name} = ${toml(value)}`;
}

/** Whole words in lines that are not too long. */
function comment(text: string): string {
  return text
    .split("\n")
    .flatMap((line) => {
      const lines = [""];
      for (const word of line.split(" ")) {
        const last = lines.at(-1) ?? "";
        if (last !== "" && last.length + word.length + 1 > width) lines.push(word);
        else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
      }
      return lines.map((each) => `# ${each}`);
    })
    .join("\n");
}

/** A value in one line: what JSON and TOML have in common, and inline tables. */
export function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, each]) => `${key} = ${toml(each)}`);
    return `{ ${entries.join(", ")} }`;
  }
  return JSON.stringify(value);
}
