/**
 * Everything that a round leaves to chance comes from its seed, by dice of a name each: who throws more often on a
 * slower machine does not shift what the others throw. When a thing happens is not in the seed; what happens is.
 */

import { createHash } from "node:crypto";

/** Gives one thing after the other. */
export type Deck<T> = () => T;

/** All things once before any comes again, each time in another order. */
export function deckOf<T>(things: readonly T[], dice: Dice): Deck<T> {
  let left: T[] = [];
  return () => {
    if (left.length === 0) left = dice.shuffled(things);
    const thing = left.pop();
    if (thing === undefined) throw new Error("there is nothing in the deck");
    return thing;
  };
}

export class Dice {
  readonly #seed: string;
  #state: number;

  constructor(seed: string) {
    this.#seed = seed;
    this.#state = createHash("sha256").update(seed).digest().readUInt32LE(0);
  }

  /** Other dice, always the same for the same name. */
  named(name: string): Dice {
    return new Dice(`${this.#seed}/${name}`);
  }

  /** From 0 up to, not including, 1 (mulberry32). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  chance(share: number): boolean {
    return this.fraction() < share;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.whole(0, choices.length - 1)];
    if (choice === undefined) throw new Error("there is nothing to pick from");
    return choice;
  }

  shuffled<T>(things: readonly T[]): T[] {
    const left = [...things];
    return things.flatMap(() => left.splice(this.whole(0, left.length - 1), 1));
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => this.whole(0, 15).toString(16)).join("");
  }
}
