/**
 * What has been told of a chat's messages and replies. A page of history and the events since the stream was opened
 * overlap: each thing is told once, and never as it was before it was told. The page, what is open and the last that
 * have ended are remembered: it may go on for months.
 */

import type { EventView, HistoryEntry, MessageView, ReplyView } from "../views.ts";

/** `new`: never told before; `changed`: it has gone on since. */
export type News = "new" | "changed" | "old";

export class Told {
  readonly #progress = new Map<string, number>();
  /** When replies were made that were not sent when last told of: one that waits anew since then is sent again. */
  readonly #made = new Map<string, string>();
  /** Ids of what has ended by events, the oldest first: events come in order, once each. */
  readonly #ended: string[] = [];

  entry(entry: HistoryEntry): News {
    return entry.type === "message" ? this.message(entry) : this.reply(entry, entry.createdAt);
  }

  event(event: EventView): News {
    switch (event.type) {
      case "message":
        return this.#forgetOldest(event.message.id, this.message(event.message));
      case "reply":
        return this.#forgetOldest(event.reply.id, this.reply(event.reply, event.at));
      default:
        // No page tells of these.
        return "new";
    }
  }

  message({ id, status, tries }: Pick<MessageView, "id" | "status" | "tries">): News {
    return this.#take(id, status === "queued" ? 2 * tries + 1 : status === "sent" ? 2 * tries : ended);
  }

  /** `at`: when it was so, or, of an entry, when it was made. */
  reply({ id, status, attempts }: Pick<ReplyView, "id" | "status" | "attempts">, at: string): News {
    const made = this.#made.get(id) ?? at;
    if (status === "sent") {
      this.#made.delete(id);
      return this.#take(id, ended);
    }
    this.#made.set(id, made);
    const progress = 3 * attempts + deliverySteps[status];
    const known = this.#progress.get(id) ?? 0;
    const isRetry = status === "pending" && attempts === 0 && at !== made;
    if (isRetry && progress < known && known < ended) this.#progress.set(id, 0);
    return this.#take(id, progress);
  }

  #forgetOldest(id: string, news: News): News {
    if (news !== "old" && this.#progress.get(id) === ended) this.#ended.push(id);
    const oldest = this.#ended.length > endedAtMost ? this.#ended.shift() : undefined;
    if (oldest !== undefined) this.#progress.delete(oldest);
    return news;
  }

  #take(id: string, progress: number): News {
    const known = this.#progress.get(id);
    if (known !== undefined && progress <= known) return "old";
    this.#progress.set(id, progress);
    return known === undefined ? "new" : "changed";
  }
}

/** Far more than an end and what may still be said of it lie apart. */
const endedAtMost = 1000;

/** Of one attempt, which counts from its `sending` on; before the first a reply is `pending`. */
const deliverySteps = { sending: 1, pending: 2, uncertain: 3, failed: 3 };

/** Nothing comes after it. Before it, a message's tries only grow: queued 0, sent 1, queued again 1, sent 2 … */
const ended = Number.POSITIVE_INFINITY;
