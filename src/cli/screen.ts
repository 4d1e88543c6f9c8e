/** Where a conversation is shown: as text that grows, or as one JSON line an event. */

import type { EventView } from "../views.ts";
import { dim, printable, printJson } from "./print.ts";

export type Piece = Extract<EventView, { type: "text" }>;

export interface Screen {
  /** Every durable event of a turn or a message of ours, before what follows from it. */
  event(event: Exclude<EventView, Piece>): void;
  /** A piece of the reply that is being written; each joins on to the one before it. */
  piece(piece: Piece): void;
  tool(name: string): void;
  /** The reply, or what of it came in no piece. Ends it. */
  reply(rest: string): void;
  /** A message ended without an answer. */
  unanswered(why: string): void;
}

export const jsonScreen: Screen = {
  event: printJson,
  piece: printJson,
  tool() {},
  reply() {},
  unanswered() {},
};

export function textScreen(): Screen {
  let midLine = false;
  const write = (text: string) => {
    if (text === "") return;
    process.stdout.write(printable(text));
    midLine = !text.endsWith("\n");
  };
  const endLine = () => {
    if (midLine) write("\n");
  };
  return {
    event() {},
    piece: ({ text }) => write(text),
    tool(name) {
      endLine();
      process.stdout.write(`${dim(`· ${printable(name)}`)}\n`);
    },
    reply(rest) {
      write(rest);
      endLine();
    },
    unanswered(why) {
      endLine();
      process.stderr.write(`${why}\n`);
    },
  };
}
