/**
 * What happens, for whoever wants to follow it: the ledger's durable events with the live pieces of text in between.
 * A slow reader loses pieces of text, never an event, and costs a bounded buffer.
 */

import { follow, hasEnded, type Ledger } from "./ledger/index.ts";
import { type EventView, eventView } from "./views.ts";

type TextPiece = { chatId: string; turnId: string; offset: number; text: string };

export interface EventsOptions {
  /** From the event behind this one on. Default: from now on; from the first when nothing is followed. */
  after?: number;
  /** Of this chat alone. */
  chatId?: string;
  /** False leaves out the pieces of text. Default: true. */
  text?: boolean;
  /** False: ends with what has happened by now. Default: true. */
  follow?: boolean;
  signal?: AbortSignal;
}

/** Pieces that wait for one reader at most; older ones are dropped. */
const maxPieces = 1000;

/** Events that are read at once from what has happened. */
const pageSize = 256;

/** ms. The most that `setTimeout` takes; it calls at once for more. */
const longestMs = 2 ** 31 - 1;

export class Feed {
  readonly #ledger: Ledger;
  readonly #readers = new Set<Pieces>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #closed = new AbortController();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    ledger.onCommit((events) => {
      for (const event of events) {
        if (event.type !== "message" || !hasEnded(event.message.status)) continue;
        for (const resolve of this.#waiting.get(event.message.id) ?? []) resolve();
      }
    });
  }

  text(piece: TextPiece): void {
    for (const reader of this.#readers) reader.add(piece);
  }

  /** Resolves when the message has ended, after `timeoutMs`, at the abort, or at `cancel`. */
  ended(
    messageId: string,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  ): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(messageId) ?? new Set();
    this.#waiting.set(messageId, waiting);
    const timer = setTimeout(resolve, Math.min(timeoutMs, longestMs));
    const abort = AbortSignal.any([this.#closed.signal, ...(signal === undefined ? [] : [signal])]);
    const done = () => resolve();
    if (abort.aborted) done();
    abort.addEventListener("abort", done);
    waiting.add(done);
    const settled = promise.then(() => {
      clearTimeout(timer);
      abort.removeEventListener("abort", done);
      waiting.delete(done);
      if (waiting.size === 0) this.#waiting.delete(messageId);
    });
    return { promise: settled, cancel: done };
  }

  follow(options: EventsOptions): AsyncGenerator<EventView, void, void> {
    if (options.follow === false) return this.#past(options);
    // "From now on" means from this call on, not from the first event that is asked for.
    const after = options.after === undefined ? this.#ledger.lastSeq() : Promise.resolve(options.after);
    after.catch(() => {});
    return this.#follow(after, options);
  }

  async *#past({ after = 0, chatId, signal }: EventsOptions): AsyncGenerator<EventView, void, void> {
    const page = chatId === undefined ? { limit: pageSize } : { chatId, limit: pageSize };
    for (let seq = after; ; ) {
      const events = await this.#ledger.changes(seq, page);
      for (const event of events) {
        if (this.#closed.signal.aborted || signal?.aborted === true) return;
        seq = event.seq;
        yield eventView(event);
      }
      if (events.length < pageSize) return;
    }
  }

  async *#follow(
    from: Promise<number>,
    { chatId, text = true, signal }: EventsOptions,
  ): AsyncGenerator<EventView, void, void> {
    const left = new AbortController();
    const ends = [this.#closed.signal, left.signal];
    const stop = AbortSignal.any(signal === undefined ? ends : [...ends, signal]);
    const pieces = new Pieces(chatId);
    if (text) this.#readers.add(pieces);
    try {
      const events = follow(this.#ledger, {
        after: await from,
        signal: stop,
        ...(chatId === undefined ? {} : { chatId }),
      });
      let next = events.next();
      try {
        while (!stop.aborted) {
          // Pieces go first: what they belong to is committed after them.
          const piece = pieces.take();
          if (piece !== undefined) {
            yield { type: "text", ...piece };
            continue;
          }
          const event = await Promise.race([next, pieces.more()]);
          if (event === undefined) continue;
          if (event.done === true) return;
          yield eventView(event.value);
          next = events.next();
        }
      } finally {
        // A reader may leave at any `yield`, with the next event already asked for.
        left.abort();
        next.catch(() => {});
        void events.return();
      }
    } finally {
      this.#readers.delete(pieces);
    }
  }

  /** Ends every reader and every wait. */
  close(): void {
    this.#closed.abort();
  }
}

/** The pieces of text on their way to one reader. */
class Pieces {
  readonly #chatId: string | undefined;
  readonly #queue: TextPiece[] = [];
  #wake: () => void = () => {};

  constructor(chatId: string | undefined) {
    this.#chatId = chatId;
  }

  add(piece: TextPiece): void {
    if (this.#chatId !== undefined && piece.chatId !== this.#chatId) return;
    this.#queue.push(piece);
    if (this.#queue.length > maxPieces) this.#queue.shift();
    this.#wake();
  }

  take(): TextPiece | undefined {
    return this.#queue.shift();
  }

  /** Resolves to undefined with the next piece. */
  more(): Promise<undefined> {
    if (this.#queue.length > 0) return Promise.resolve(undefined);
    return new Promise((resolve) => (this.#wake = () => resolve(undefined)));
  }
}
