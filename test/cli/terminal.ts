/** A command in a terminal, by way of util-linux's `script`, which gives it a real one; and what stands in its window. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";

const hasScript = spawnSync("script", ["--version"]).stdout?.includes("util-linux") === true;
/** For `describe`: why its tests cannot be run here. */
export const skip = hasScript ? false : "needs util-linux's script";

export const ctrlC = "\x03";
export const ctrlD = "\x04";
/** Empties the line in every shell. */
export const ctrlU = "\x15";
export const tab = "\t";

export interface Size {
  columns: number;
  rows: number;
}

export interface TerminalOptions extends Partial<Size> {
  /** All that it gets besides the path. */
  env?: Record<string, string>;
}

export class Terminal {
  /** The exit code. */
  readonly ended: Promise<number | null>;
  #size: Size;
  #output = "";
  readonly #device: Promise<string>;
  readonly #child;

  constructor(command: readonly string[], { env = {}, columns = 80, rows = 24 }: TerminalOptions = {}) {
    const folder = mkdtempSync(join(tmpdir(), "switchboard-tty-"));
    const file = join(folder, "tty");
    this.#size = { columns, rows };
    const inside = `stty cols ${columns} rows ${rows}; tty >'${file}'; exec ${command.map(shellWord).join(" ")}`;
    this.#child = spawn("script", ["-qec", inside, "/dev/null"], {
      env: { PATH: process.env.PATH ?? "", TERM: "xterm", SHELL: "/bin/sh", LANG: "C.UTF-8", ...env },
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text) => {
      this.#output += text;
    });
    this.#device = eventually("the terminal has a name", () => {
      try {
        // The shell has made the file before `tty` writes to it.
        return readFileSync(file, "utf8").trim() || null;
      } catch {
        return null;
      }
    });
    this.ended = once(this.#child, "close").then(([code]) => {
      rmSync(folder, { recursive: true, force: true });
      return code as number | null;
    });
  }

  /** Every byte so far. */
  output(): string {
    return this.#output;
  }

  /** The lines of the window as they stand now, without the blanks at their ends and empty lines below. */
  window(): string[] {
    return windowAfter(this.#output, this.#size);
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  async resize(size: Size): Promise<void> {
    this.#size = size;
    const { columns, rows } = size;
    execFileSync("stty", ["-F", await this.#device, "cols", String(columns), "rows", String(rows)]);
  }

  /** Ends it hard, if it still runs. */
  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What a terminal makes of the output: as much of its language as our commands and readline speak. */
export function windowAfter(output: string, { columns, rows }: Size): string[] {
  let lines: string[][] = [[]];
  let row = 0;
  let column = 0;
  let main: { lines: string[][]; row: number; column: number } | null = null;
  const lineAt = (at: number) => {
    while (lines.length <= at) lines.push([]);
    return lines[at] ?? [];
  };
  const lineFeed = () => {
    row++;
    if (row < rows) return;
    lines.shift();
    row = rows - 1;
  };
  for (const [part, csi = "", count = ""] of output.matchAll(
    /\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|./gsu,
  )) {
    if (part.startsWith("\x1b]") || part === "\x07") continue;
    if (part === "\r") column = 0;
    else if (part === "\n") lineFeed();
    else if (part === "\b") column = Math.max(0, column - 1);
    else if (!part.startsWith("\x1b")) {
      if (column === columns) {
        column = 0;
        lineFeed();
      }
      const line = lineAt(row);
      while (line.length < column) line.push(" ");
      line[column++] = part;
    } else if (count === "A") row = Math.max(0, row - (Number(csi) || 1));
    else if (count === "C") column += Number(csi) || 1;
    else if (count === "G") column = (Number(csi) || 1) - 1;
    else if (count === "H") row = column = 0;
    else if (count === "K") lineAt(row).length = Math.min(lineAt(row).length, column);
    else if (count === "J") {
      lineAt(row).length = Math.min(lineAt(row).length, column);
      lines.length = row + 1;
    } else if (part === "\x1b[?1049h") {
      main = { lines, row, column };
      lines = [[]];
      row = column = 0;
    } else if (part === "\x1b[?1049l" && main !== null) {
      ({ lines, row, column } = main);
      main = null;
    }
  }
  const written = lines.map((line) =>
    Array.from(line, (char) => char ?? " ")
      .join("")
      .trimEnd(),
  );
  return written.slice(0, written.findLastIndex((line) => line !== "") + 1);
}
