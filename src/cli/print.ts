/** What people and programs get to see. */

import { stripVTControlCharacters, styleText } from "node:util";

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/** Contacts and models write what they like: on a terminal it must not become a command to the terminal. */
export function printable(text: string): string {
  if (!process.stdout.isTTY) return text;
  return stripVTControlCharacters(text).replace(/[^\P{Cc}\n\t]/gu, "");
}

/** As it is unless stdout is a terminal that wants colours. */
export function dim(text: string): string {
  return styleText("dim", text, { stream: process.stdout });
}

/** Columns that a terminal gives to the text: two for East Asian wide characters and emoji, none for marks. */
export function width(text: string): number {
  let columns = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) columns += wide.test(segment) ? 2 : 1;
  return columns;
}

const wide =
  /^(?:[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\p{Emoji}\ufe0f)/u;

/** Rows under a heading, no wider than the terminal: the widest columns give way first. */
export function table(heading: string[], rows: string[][], columns: number): string {
  const lines = [heading, ...rows];
  const widths = heading.map((_, at) => Math.max(...lines.map((line) => width(line[at] ?? ""))));
  const gaps = 2 * (widths.length - 1);
  while (sum(widths) + gaps > columns && Math.max(...widths) > 4) {
    widths[widths.indexOf(Math.max(...widths))] = Math.max(...widths) - 1;
  }
  return lines
    .map((line) =>
      widths
        .map((columns, at) => fit(line[at] ?? "", columns))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function fit(text: string, columns: number): string {
  const excess = width(text) - columns;
  if (excess <= 0) return text + " ".repeat(-excess);
  let kept = "";
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (width(kept + segment) > columns - 1) break;
    kept += segment;
  }
  return `${kept}…${" ".repeat(columns - width(kept) - 1)}`;
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** How long ago, in a word. */
export function ago(time: string | null, now: number): string {
  if (time === null) return "never";
  const seconds = Math.max(0, now - Date.parse(time)) / 1000;
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
