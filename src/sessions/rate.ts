/**
 * How fast messages may come. A bucket holds as many as may come in a minute, and fills up again steadily, so a burst of a
 * minute's worth is let through and nothing beyond it. Who is too fast is told when to come again.
 */

import type { Clock } from "../clock.ts";

export interface Bucket {
  /** Messages that may come at once. */
  readonly left: number;
  /** When that was reckoned, in ms of the monotonic clock. */
  readonly at: number;
}

interface ChatBucket extends Bucket {
  readonly perMinute: number;
}

const minuteMs = 60_000;

/** The bucket as it is now; undefined: nobody has taken anything of it lately. Pure. */
export function refilled(bucket: Bucket | undefined, perMinute: number, now: number): Bucket {
  if (bucket === undefined) return { left: perMinute, at: now };
  const left = Math.min(perMinute, bucket.left + ((now - bucket.at) * perMinute) / minuteMs);
  return { left, at: now };
}

export interface Rates {
  /** Messages a minute, of each chat and of all; null: as many as come. */
  chat: number | null;
  all: number | null;
}

/** Full buckets are forgotten when there are more than this. */
const manyBuckets = 10_000;

export class RateLimit {
  #rates: Rates;
  readonly #clock: Clock;
  readonly #chats = new Map<string, ChatBucket>();
  #all: Bucket | undefined;

  constructor(rates: Rates, clock: Clock) {
    this.#rates = rates;
    this.#clock = clock;
  }

  /** Holds from the next message on. */
  change(rates: Rates): void {
    this.#rates = rates;
  }

  /** Takes one for a message that is about to be accepted; `chat`: the rate of its chat. Null: it comes too fast. */
  take(chatId: string, chat = this.#rates.chat): { giveBack(): void } | null {
    const { all } = this.#rates;
    const now = this.#clock.monotonic();
    const ofChat = chat === null ? null : refilled(this.#chats.get(chatId), chat, now);
    const ofAll = all === null ? null : refilled(this.#all, all, now);
    if ((ofChat !== null && ofChat.left < 1) || (ofAll !== null && ofAll.left < 1)) return null;
    if (ofChat !== null && chat !== null)
      this.#put(chatId, { ...ofChat, left: ofChat.left - 1, perMinute: chat });
    if (ofAll !== null) this.#all = { ...ofAll, left: ofAll.left - 1 };
    return {
      giveBack: () => {
        const there = this.#chats.get(chatId);
        if (there !== undefined) this.#chats.set(chatId, { ...there, left: there.left + 1 });
        if (this.#all !== undefined) this.#all = { ...this.#all, left: this.#all.left + 1 };
      },
    };
  }

  #put(chatId: string, bucket: ChatBucket): void {
    this.#chats.set(chatId, bucket);
    if (this.#chats.size <= manyBuckets) return;
    for (const [each, there] of this.#chats) {
      const { perMinute } = there;
      if (refilled(there, perMinute, bucket.at).left >= perMinute) this.#chats.delete(each);
    }
  }
}
