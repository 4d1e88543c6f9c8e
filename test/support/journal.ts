/** Everything that a Switchboard has told so far by its events, durable ones and pieces of text, in order. */
import type { EventView, Switchboard } from "../../src/index.ts";
import { within } from "./eventually.ts";

type EventOf<Type extends EventView["type"]> = Extract<EventView, { type: Type }>;

export class Journal {
  readonly #events: EventView[] = [];
  readonly #waiting = new Set<() => void>();
  #seq = 0;

  /** Goes on where it ended, to the end of this Switchboard. */
  async follow(switchboard: Switchboard): Promise<void> {
    for await (const event of switchboard.events({ after: this.#seq })) {
      if (event.type !== "text") this.#seq = event.seq;
      this.#events.push(event);
      for (const look of this.#waiting) look();
    }
  }

  /** Those of one chat and one type so far. */
  of<Type extends EventView["type"]>(chatId: string, type: Type): Array<EventOf<Type>> {
    return this.#events.filter(
      (event): event is EventOf<Type> => event.type === type && event.chatId === chatId,
    );
  }

  /** The first event, past or coming, of which `holds` is true. */
  until<Type extends EventView["type"]>(
    chatId: string,
    type: Type,
    holds: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    const { promise, resolve } = Promise.withResolvers<EventOf<Type>>();
    const look = () => {
      const found = this.of(chatId, type).find(holds);
      if (found === undefined) return;
      this.#waiting.delete(look);
      resolve(found);
    };
    this.#waiting.add(look);
    look();
    return within(`an event ${type} of ${chatId} of which holds: ${holds}`, promise);
  }

  /** A turn's text as somebody has it who follows the pieces: one below the end replaces what stands from there on. */
  streamed(chatId: string, turnId: string): string {
    return this.of(chatId, "text")
      .filter((piece) => piece.turnId === turnId)
      .reduce((text, piece) => text.slice(0, piece.offset) + piece.text, "");
  }
}
