/**
 * A session's writes to the ledger, one after the other in the order in which they were asked for, so that what the
 * ledger tells is what happened. A full or locked disk delays them; it loses none of them and stops nothing else.
 */

import { type Clock, sleep } from "../clock.ts";
import { LedgerError } from "../ledger/index.ts";
import type { Logger } from "../log.ts";

const retryMs = 1000;

export class Writes {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #giveUp: AbortSignal;
  #last: Promise<unknown> = Promise.resolve();

  /** After `giveUp` a write that fails is not tried again: what it says is left to the recovery at the next start. */
  constructor(options: { clock: Clock; log: Logger; giveUp: AbortSignal }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#giveUp = options.giveUp;
  }

  /** Resolves or rejects as the write does; a full or locked storage is waited for. */
  run<T>(write: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#persist(write));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when everything asked for so far is done. Never rejects. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #persist<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write();
      } catch (error) {
        const passing =
          error instanceof LedgerError && (error.code === "storage_full" || error.code === "storage_busy");
        if (!passing || this.#giveUp.aborted) throw error;
        this.#log.warn({ code: error.code }, "the ledger cannot be written; trying again");
        await sleep(this.#clock, retryMs, this.#giveUp);
      }
    }
  }
}
