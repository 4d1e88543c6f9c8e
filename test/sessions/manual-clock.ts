import type { Clock } from "../../src/clock.ts";

interface Timer {
  at: number;
  every: number | null;
  fn: () => void;
}

/** Time that moves only when a test says so. */
export class ManualClock implements Clock {
  #time = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#time;
  }

  monotonic(): number {
    return this.#time;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  after(ms: number, fn: () => void): () => void {
    return this.#set({ at: this.#time + ms, every: null, fn });
  }

  every(ms: number, fn: () => void): () => void {
    return this.#set({ at: this.#time + ms, every: ms, fn });
  }

  /** Calls what is due by then, in order of time. */
  advance(ms: number): void {
    const end = this.#time + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#time = next.at;
      if (next.every === null) this.#timers.delete(next);
      else next.at += next.every;
      next.fn();
    }
    this.#time = end;
  }

  #set(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
