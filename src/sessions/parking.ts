/**
 * Waiting for the leave to ask the model again: the API lets nobody through until a known time, or a budget is spent.
 * Whoever is parked wakes at that time, a little spread, so that not everybody asks at the same moment, or when the trouble
 * is over before.
 */

import { type Clock, sleep } from "../clock.ts";
import type { Hold, Trouble } from "../gateway/index.ts";
import type { BudgetHold } from "./budgets.ts";

/** Why a chat is parked. */
export type Pause = Hold | BudgetHold;

/** Where it is told how long a pause still lasts. */
export interface PauseSource {
  /** ms; 0: it is over. */
  remainingMs(): number;
  /** Calls `listener` when it may be over before its time. Returns a function that ends it. */
  onChange(listener: () => void): () => void;
}

/** ms over which those that were parked together wake up: a limit's end is known, the end of other trouble is guessed. */
const spreadMs = { limit: 2000, budget: 2000, authentication: 30_000, billing: 30_000 };

export class Parking {
  readonly #clock: Clock;
  #pause: Pause | null = null;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Null: not parked. */
  get pause(): Pause | null {
    return this.#pause;
  }

  /** Resolves when it is worth trying again. */
  async until(pause: Pause, source: PauseSource): Promise<void> {
    this.#pause = pause;
    this.#wake = new AbortController();
    const { signal } = this.#wake;
    const unsubscribe = source.onChange(() => {
      if (source.remainingMs() === 0) this.lookAgain();
    });
    try {
      // In steps: the wall clock by which the time was named may jump.
      for (let left = source.remainingMs(); left > 0 && !signal.aborted; left = source.remainingMs())
        await sleep(this.#clock, Math.min(left, stepMs), signal);
      await sleep(this.#clock, Math.random() * spreadMs[pause.kind], signal);
    } finally {
      unsubscribe();
      this.#pause = null;
    }
  }

  lookAgain(): void {
    this.#wake.abort();
  }
}

const stepMs = 30_000;

/** Whether the trouble is one that lets nobody through. */
export function isHold(trouble: Trouble | null): trouble is Hold {
  return trouble !== null && trouble.kind !== "transient";
}
