/**
 * Events as a stream: everything after a number, then what comes, without gap or double. Whoever reads it sets the
 * pace: a reader that falls behind is served from the ledger again instead of from an ever-growing buffer.
 */

import { type Ledger, LedgerError, type LedgerEvent } from "./ledger.ts";

/** Events per page, and how many live ones wait for a slow reader at most. */
const pageSize = 256;

export interface FollowOptions {
  /** The number of the last event that the reader knows; 0 for all. */
  after: number;
  /** Default: all chats. */
  chatId?: string;
  signal: AbortSignal;
}

/**
 * Ends at the abort and when the ledger closes. Throws the `LedgerError` of a read that failed.
 *
 * @example
 * for await (const event of follow(ledger, { after: await ledger.lastSeq(), signal })) console.log(event.type);
 */
export async function* follow(
  ledger: Pick<Ledger, "changes" | "onCommit">,
  { after, chatId, signal }: FollowOptions,
): AsyncGenerator<LedgerEvent, void, void> {
  const page = chatId === undefined ? { limit: pageSize } : { chatId, limit: pageSize };
  const live = new LiveEvents(chatId);
  const unsubscribe = ledger.onCommit((events) => live.add(events));
  const wake = () => live.wake();
  signal.addEventListener("abort", wake);
  try {
    let seq = after;
    while (!signal.aborted) {
      // Emptied before the page is read: whatever is committed later than the page sees is in there.
      live.clear();
      const events = await ledger.changes(seq, page);
      for (const event of events) {
        if (signal.aborted) return;
        seq = event.seq;
        yield event;
      }
      if (events.length === pageSize) continue;

      while (!signal.aborted && live.complete) {
        const event = live.take();
        if (event === undefined) await live.more();
        else if (event.seq > seq) {
          seq = event.seq;
          yield event;
        }
      }
    }
  } catch (error) {
    if (!(error instanceof LedgerError && error.code === "closed")) throw error;
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", wake);
  }
}

/** Committed events on their way to one reader; gives up being complete rather than grow. */
class LiveEvents {
  readonly #chatId: string | undefined;
  #events: LedgerEvent[] = [];
  #complete = true;
  #wake: (() => void) | undefined;

  constructor(chatId: string | undefined) {
    this.#chatId = chatId;
  }

  /** False when events were dropped, or none will come any more: then only the ledger can tell. */
  get complete(): boolean {
    return this.#complete;
  }

  add(events: readonly LedgerEvent[]): void {
    if (events.length === 0) this.#complete = false;
    for (const event of events) {
      if (this.#complete && (this.#chatId === undefined || event.chatId === this.#chatId))
        this.#events.push(event);
    }
    if (this.#events.length > pageSize) {
      this.#events = [];
      this.#complete = false;
    }
    this.wake();
  }

  clear(): void {
    this.#events = [];
    this.#complete = true;
  }

  take(): LedgerEvent | undefined {
    return this.#events.shift();
  }

  /** Resolves with the next commit or `wake`. */
  more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
  }
}
