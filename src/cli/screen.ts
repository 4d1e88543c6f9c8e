/** Where a conversation is shown: as text that grows, or as one JSON line an event. */

import type { EventView } from "../views.ts";
import { LiveText } from "./live-text.ts";
import { dim, printable, printableLine, printError, printJson } from "./print.ts";

export type Piece = Extract<EventView, { type: "text" }>;

export interface Screen {
  /** Every durable event of a turn or a message of ours, before what follows from it. */
  event(event: Exclude<EventView, Piece>): void;
  /** A piece of the reply that is being written. One below the end replaces what stands from there on. */
  piece(piece: Piece): void;
  tool(name: string): void;
  /** The reply, whatever came of it in pieces. Ends it. */
  reply(text: string): void;
  /** What Switchboard itself has to say while an answer is waited for. */
  notice(text: string): void;
  /** A message ended without an answer. */
  unanswered(why: string): void;
  /** Somebody has typed a line: what is shown goes on below it. */
  typed(): void;
}

/** The text after a piece. What does not join on to it (one was dropped) is left to the reply. */
export function withPiece(text: string, piece: Pick<Piece, "offset" | "text">): string {
  return piece.offset > text.length ? text : text.slice(0, piece.offset) + piece.text;
}

export const jsonScreen: Screen = {
  event: printJson,
  piece: printJson,
  tool() {},
  reply() {},
  notice() {},
  unanswered() {},
  typed() {},
};

/** On a terminal text appears as it is written. What cannot be taken back elsewhere is not shown before it is final. */
export function textScreen(): Screen {
  return process.stdout.isTTY ? terminalScreen() : pipeScreen();
}

const pipeScreen = (): Screen => ({
  event() {},
  piece() {},
  tool: (name) => void process.stdout.write(`${dim(`· ${name}`)}\n`),
  reply: (text) => void process.stdout.write(ended(text)),
  notice: printError,
  unanswered: printError,
  typed() {},
});

function terminalScreen(): Screen {
  const live = new LiveText(process.stdout);
  let draft = "";
  return {
    event() {},
    piece(piece) {
      draft = withPiece(draft, piece);
      live.show(printable(draft));
    },
    tool(name) {
      live.interrupt();
      process.stdout.write(`${dim(`· ${printableLine(name)}`)}\n`);
    },
    reply(text) {
      live.show(printable(text));
      live.end();
      draft = "";
    },
    notice(text) {
      live.interrupt();
      printError(printable(text));
    },
    unanswered(why) {
      live.end();
      draft = "";
      printError(why);
    },
    typed: () => live.lineBegun(),
  };
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
