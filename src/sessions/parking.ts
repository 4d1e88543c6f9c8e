/**
 * Waiting for the model's API to let us through again. Whoever is parked wakes at the time that the gateway has named, a
 * little spread, so that not everybody asks at the same moment, or when the trouble is over before.
 */

import { type Clock, sleep } from "../clock.ts";
import type { Gateway, Hold, Trouble } from "../gateway/index.ts";

/** ms over which those that were parked together wake up: a limit's end is known, the end of other trouble is guessed. */
const spreadMs = { limit: 2000, authentication: 30_000, billing: 30_000 };

export class Parking {
  readonly #gateway: Pick<Gateway, "onTrouble" | "holdMs">;
  readonly #clock: Clock;
  #hold: Hold | null = null;
  #wake = new AbortController();

  constructor(gateway: Pick<Gateway, "onTrouble" | "holdMs">, clock: Clock) {
    this.#gateway = gateway;
    this.#clock = clock;
  }

  /** Null: not parked. */
  get hold(): Hold | null {
    return this.#hold;
  }

  /** Resolves when it is worth trying again. */
  async until(hold: Hold): Promise<void> {
    this.#hold = hold;
    this.#wake = new AbortController();
    const { signal } = this.#wake;
    const unsubscribe = this.#gateway.onTrouble(() => {
      if (this.#gateway.holdMs === 0) this.lookAgain();
    });
    try {
      // In steps: the wall clock by which a limit's time was named may jump.
      while (this.#gateway.holdMs > 0 && !signal.aborted)
        await sleep(this.#clock, Math.min(this.#gateway.holdMs, stepMs), signal);
      await sleep(this.#clock, Math.random() * spreadMs[hold.kind], signal);
    } finally {
      unsubscribe();
      this.#hold = null;
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
