/**
 * A text on a terminal while it is being written. It grows at its end; when something in it changes, what stands
 * there is taken back and written anew. What a tool's line has cut off, or has left the window at its top, cannot
 * be taken back: then the whole text is written once more below.
 */

import type { WriteStream } from "node:tty";
import { segments, widthOfSegment } from "./layout.ts";
import { windowOf } from "./print.ts";

export class LiveText {
  readonly #terminal: Pick<WriteStream, "write" | "columns" | "rows">;
  #shown = "";
  /** Where in the text the line begins at which it goes on since the last interruption. */
  #from = 0;
  /** Whether the cursor stands behind a text, at no line's beginning. */
  #midLine = false;

  constructor(terminal: Pick<WriteStream, "write" | "columns" | "rows">) {
    this.#terminal = terminal;
  }

  /** The whole text as it is now. */
  show(text: string): void {
    if (text.startsWith(this.#shown)) this.#write(text.slice(this.#shown.length));
    else this.#rewrite(text);
    this.#shown = text;
  }

  /** Something else comes, at the beginning of a line; the text goes on after it. */
  interrupt(): void {
    if (this.#midLine) this.#terminal.write("\n");
    this.lineBegun();
  }

  /** The cursor stands at the beginning of a line: somebody has typed Enter. */
  lineBegun(): void {
    this.#midLine = false;
    this.#from = this.#shown.length;
  }

  /** Nothing more comes of it. */
  end(): void {
    this.interrupt();
    this.#shown = "";
    this.#from = 0;
  }

  #rewrite(text: string): void {
    const size = windowOf(this.#terminal);
    const rows = rowsOf(this.#shown.slice(this.#from), size.columns);
    const isUnchangedAbove = text.startsWith(this.#shown.slice(0, this.#from));
    if (isUnchangedAbove && rows <= size.rows) {
      const up = rows === 1 ? "" : `\x1b[${rows - 1}A`;
      this.#terminal.write(`\r${up}\x1b[J`);
      this.#midLine = false;
    } else {
      this.interrupt();
      this.#from = 0;
    }
    this.#write(text.slice(this.#from));
  }

  #write(text: string): void {
    if (text === "") return;
    this.#terminal.write(text);
    this.#midLine = !text.endsWith("\n");
  }
}

/** Rows from where the text begins to where the cursor stands after it. */
function rowsOf(text: string, columns: number): number {
  let rows = 1;
  let column = 0;
  for (const { segment } of segments.segment(text)) {
    if (segment === "\n") {
      rows++;
      column = 0;
      continue;
    }
    const taken = segment === "\t" ? tab - (column % tab) : widthOfSegment(segment);
    // A tab stops at the edge; what is too wide for the rest of a row goes to the next one.
    if (column + taken > columns && segment !== "\t") {
      rows++;
      column = 0;
    }
    column = Math.min(columns, column + taken);
  }
  return rows;
}

const tab = 8;
