/** Events of the daemon as they happen. A cut connection is made again and goes on after the last event seen. */

import { setTimeout as delay } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";
import type { EventView } from "../views.ts";
import type { Client } from "./client.ts";
import { CliError } from "./exit.ts";

/** How long a daemon may be away, in ms, before following it ends with `unreachable`. */
const patienceMs = 30_000;
const pauseMs = 500;

export interface FollowOptions {
  signal: AbortSignal;
  /**
   * Called each time the stream is open: from then on nothing is missed. `after` is the event that it goes on
   * behind; without one it goes on from now. No event is given before what it returns has been fulfilled.
   */
  opened(after: string | undefined): void | Promise<void>;
}

export async function* follow(
  client: Client,
  path: string,
  options: FollowOptions,
): AsyncGenerator<EventView> {
  const { signal } = options;
  let lastEventId: string | undefined;
  let openedOnce = false;
  let lostAt = performance.now();
  while (!signal.aborted) {
    try {
      const response = await client.stream(path, lastEventId, signal);
      try {
        await options.opened(lastEventId);
        openedOnce = true;
        for await (const { id, data } of framesOf(response)) {
          if (id !== undefined) lastEventId = id;
          yield JSON.parse(data) as EventView;
        }
      } finally {
        lostAt = performance.now();
      }
    } catch (error) {
      if (signal.aborted) return;
      const mayComeBack =
        !(error instanceof CliError) || error.exit === "unreachable" || error.exit === "later";
      const isPatient = openedOnce && performance.now() - lostAt < patienceMs;
      if (!mayComeBack || !isPatient) throw error;
    }
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}

function framesOf({ body }: Response) {
  return (body ?? new ReadableStream<Uint8Array>())
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
}
