/** What people and programs get to see. Colours only on a terminal that wants them (NO_COLOR, FORCE_COLOR), and never alone. */

import { stripVTControlCharacters, styleText } from "node:util";

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(line: string): void {
  printPainted(printable(line));
}

/** Lines whose every part that others wrote has gone through {@link printable}: they may have colours. */
export function printPainted(lines: string): void {
  process.stdout.write(`${lines}\n`);
}

/** Contacts and models write what they like: on a terminal it must not become a command to the terminal. */
export function printable(text: string): string {
  if (!process.stdout.isTTY) return text;
  return stripVTControlCharacters(text).replace(/[^\P{Cc}\n\t]/gu, "");
}

/** The same, all in one line. */
export function printableLine(text: string): string {
  return printable(text.replace(/\s+/gu, " "));
}

export type Paint = (text: string) => string;

function paint(style: Parameters<typeof styleText>[0], stream: NodeJS.WriteStream = process.stdout): Paint {
  return (text) => (text === "" ? "" : styleText(style, text, { stream }));
}

export const bold = paint("bold");
export const dim = paint("dim");
export const red = paint("red");
export const yellow = paint("yellow");
export const green = paint("green");

/** A line on stderr. */
export function printError(line: string): void {
  process.stderr.write(`${redError(line)}\n`);
}

export const redError = paint("red", process.stderr);

export interface Size {
  columns: number;
  rows: number;
}

/** A terminal that does not know how large its window is says 0. */
export function windowOf({ columns, rows }: Size): Size {
  return { columns: columns || 80, rows: rows || 24 };
}

/** Columns of the window; without one there is room for everything. */
export function columns(): number {
  return process.stdout.isTTY ? windowOf(process.stdout).columns : Number.POSITIVE_INFINITY;
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
