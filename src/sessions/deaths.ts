/**
 * The deaths of a session's processes that nobody had asked for, and what they mean for the next start: a growing delay,
 * and after too many within a time quarantine, in which the session is left alone.
 */

import type { Clock } from "../clock.ts";
import { isQuarantined, livedLongMs, quarantine, restartDelayMs } from "./health.ts";
import { maxTries } from "./recovery.ts";

export interface Quarantine {
  /** Of the last death. */
  reason: string;
  /** ms since the Unix epoch. */
  until: number;
}

export class Deaths {
  readonly #clock: Clock;
  readonly #onLeft: () => void;
  /** Processes in a row that came to nothing. */
  #inARow: number;
  /** In ms of the monotonic clock. */
  #times: number[] = [];
  #quarantine: (Quarantine & { cancel: () => void }) | null = null;

  /** `onLeft`: the quarantine is over. */
  constructor(clock: Clock, inARow: number, onLeft: () => void) {
    this.#clock = clock;
    this.#inARow = inARow;
    this.#onLeft = onLeft;
  }

  /** ms. */
  get delayBeforeNext(): number {
    return restartDelayMs(this.#inARow);
  }

  /** Null: the session is not in quarantine. */
  get quarantine(): Quarantine | null {
    return this.#quarantine;
  }

  /** Whether another process should take its place at once, and is likely to do better. */
  get replaceable(): boolean {
    return this.#quarantine === null && this.#inARow <= maxTries;
  }

  /** True when this one puts the session into quarantine. */
  note({ worked, lived, reason }: { worked: boolean; lived: number; reason: string }): boolean {
    const now = this.#clock.monotonic();
    this.#inARow = worked || lived > livedLongMs ? 1 : this.#inARow + 1;
    this.#times = [...this.#times.filter((at) => now - at < quarantine.windowMs), now];
    if (this.#quarantine !== null || !isQuarantined(this.#times, now)) return false;
    const { restMs } = quarantine;
    const cancel = this.#clock.after(restMs, () => this.leave());
    this.#quarantine = { reason, until: this.#clock.now() + restMs, cancel };
    return true;
  }

  /**
   * One that could not even be started; true after so many that its messages have to fail. `passes`: for a reason that
   * passes, and is waited out.
   */
  noteFailedStart(passes: boolean): boolean {
    if (passes) {
      this.#inARow = Math.min(this.#inARow + 1, maxTries - 1);
      return false;
    }
    this.#inARow += 1;
    if (this.#inARow < maxTries) return false;
    this.#inARow = 0;
    return true;
  }

  /** A turn has come to its answer. */
  noteSuccess(): void {
    this.#inARow = 0;
    this.#times = [];
  }

  /** Ends the quarantine, if there is one. */
  leave(): void {
    if (this.#quarantine === null) return;
    this.forget();
    this.#onLeft();
  }

  /** For a session that is done with. */
  forget(): void {
    this.#quarantine?.cancel();
    this.#quarantine = null;
    this.#times = [];
    this.#inARow = 0;
  }
}
