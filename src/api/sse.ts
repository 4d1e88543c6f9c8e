/**
 * Events as server-sent events. The client pulls: the next event is asked for when the last one has left, so a
 * slow client costs one event and its socket's buffer. What it misses meanwhile is `Switchboard.events`' to decide.
 */

import type { Clock } from "../clock.ts";
import type { EventView } from "../views.ts";

const encoder = new TextEncoder();

export interface EventStreamOptions {
  /** Ends the iteration of `events`; called when the client has gone. */
  cancel(): void;
  /** Told why `events` failed. The client reconnects and goes on from the last event that it has seen. */
  failed(error: unknown): void;
  clock: Clock;
  /** How often a comment shows that the connection lives, in ms. */
  pingMs: number;
}

export function eventStream(events: AsyncIterable<EventView>, options: EventStreamOptions): ReadableStream {
  const iterator = events[Symbol.asyncIterator]();
  // Asked for before the response begins: whoever has seen its headers misses nothing from then on.
  let first: Promise<IteratorResult<EventView>> | null = iterator.next();
  first.catch(() => {});
  let stopPings = () => {};
  let ended = false;
  const end = () => {
    ended = true;
    stopPings();
    options.cancel();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode(": open\n\n"));
      stopPings = options.clock.every(options.pingMs, () => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": ping\n\n"));
      });
    },
    async pull(controller) {
      const next = await (first ?? iterator.next()).catch((error: unknown) => {
        options.failed(error);
        return null;
      });
      first = null;
      if (ended) return;
      if (next !== null && next.done !== true) return controller.enqueue(encoder.encode(frame(next.value)));
      end();
      controller.close();
    },
    async cancel() {
      end();
      await iterator.return?.();
    },
  });
}

function frame(event: EventView): string {
  const id = event.type === "text" ? "" : `id: ${event.seq}\n`;
  return `${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
