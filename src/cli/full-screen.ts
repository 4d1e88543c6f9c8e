/**
 * The whole window, as long as something is watched. What stood there before comes back however the process ends,
 * killed hard aside.
 */

import { type Size, windowOf } from "./print.ts";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
const clearLine = "\x1b[K";
const clearBelow = "\x1b[J";

export class FullScreen {
  readonly #draw: (size: Size) => string[];

  /** `draw` gives the picture's lines, no more and no wider than the window; it is asked again when that changes. */
  constructor(draw: (size: Size) => string[]) {
    this.#draw = draw;
    process.on("exit", this.#restore);
    process.stdout.on("resize", this.draw);
    process.stdout.write(enter);
  }

  draw = (): void => {
    const lines = this.#draw(windowOf(process.stdout)).map((line) => line + clearLine);
    process.stdout.write(home + lines.join("\n") + clearBelow);
  };

  close(): void {
    process.off("exit", this.#restore);
    process.stdout.off("resize", this.draw);
    this.#restore();
  }

  #restore = (): void => {
    // To a terminal this is written before the process ends.
    process.stdout.write(leave);
  };
}
