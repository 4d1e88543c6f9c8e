/** What the daemon's events have told so far: what is open, what runs, and how much has happened. */

import type { Client } from "../../src/cli/client.ts";
import { follow } from "../../src/cli/follow.ts";
import type { EventView } from "../../src/index.ts";

export class Story {
  /** Turns that have begun. */
  turns = 0;
  /** Processes that were started. */
  starts = 0;
  /** Why processes have ended, and how often. */
  readonly ends = new Map<string, number>();
  /** How messages have ended, and how often. */
  readonly outcomes = new Map<string, number>();
  readonly #open = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #begun = new Set<string>();
  readonly #repliesUnderWay = new Set<string>();
  #news = Promise.withResolvers<void>();

  /** Listens until the abort. Resolves when nothing is missed from then on. */
  static async listen(client: Client, signal: AbortSignal): Promise<Story> {
    const story = new Story();
    const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
    const events = follow(client, "/v1/events?text=false", { signal, opened: () => resolve() });
    // Whoever waits for news then waits until the run is given up.
    story.#listen(events).catch(reject);
    await opened;
    return story;
  }

  /** Whether every message has its end, and every reply has left. */
  get isQuiet(): boolean {
    return this.#open.size === 0 && this.#repliesUnderWay.size === 0;
  }

  /** Whether the model has begun to work on the message, or it has its end without that. */
  hasBegun(messageId: string): boolean {
    return this.#begun.has(messageId) || this.hasEnded(messageId);
  }

  hasEnded(messageId: string): boolean {
    return this.#ended.has(messageId);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#news.promise;
  }

  async #listen(events: AsyncIterable<EventView>): Promise<void> {
    for await (const event of events) {
      this.#note(event);
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    }
  }

  #note(event: EventView): void {
    switch (event.type) {
      case "message":
        this.#noteMessage(event.message);
        return;
      case "turn":
        if (event.state === "started") this.turns += 1;
        for (const id of event.messageIds) this.#begun.add(id);
        return;
      case "reply": {
        const { id, status } = event.reply;
        if (status === "pending" || status === "sending") this.#repliesUnderWay.add(id);
        else this.#repliesUnderWay.delete(id);
        return;
      }
      case "process":
        if (event.state === "started") this.starts += 1;
        if (event.state === "ended") count(this.ends, event.reason);
    }
  }

  #noteMessage({ id, status }: { id: string; status: string }): void {
    if (status === "queued" || status === "sent") {
      this.#open.add(id);
      return;
    }
    this.#open.delete(id);
    this.#ended.add(id);
    count(this.outcomes, status);
  }
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}
