/**
 * Claude processes are a bounded resource that all chats share; conversations are not.
 *
 * - A chat holds one slot from before its process is spawned until its tree is gone.
 * - Who finds no free slot waits in order of arrival; for each who waits, the least recently used idle process
 *   is asked to close. A busy one never is.
 * - Starts are costly (about a second of CPU each), so only a few run at once.
 */

import type { Clock } from "../clock.ts";

export interface Tenant {
  readonly chatId: string;
  /** Since when its process is idle, in ms of the monotonic clock; null when it is not. */
  readonly idleSince: number | null;
  /** Asks it to close its idle process; it calls `release` when the process is gone. */
  yieldSlot(): void;
}

export class Pool {
  readonly slots: Gate;
  readonly starts: Gate;
  readonly #holders = new Set<Tenant>();
  readonly #clock: Clock;
  readonly #waiting: Array<{ tenant: Tenant; since: number }> = [];
  /** Idle holders that were asked to close. */
  readonly #yielding = new Set<Tenant>();
  /** Busy holders that take on nothing more, for somebody who has waited for longer. */
  readonly #givingWay = new Set<Tenant>();

  constructor(limits: { maxProcesses: number; maxStarts: number }, clock: Clock) {
    this.#clock = clock;
    this.slots = new Gate(limits.maxProcesses);
    this.starts = new Gate(limits.maxStarts);
  }

  /** Resolves to false when `signal` aborts first. */
  async acquire(tenant: Tenant, signal: AbortSignal): Promise<boolean> {
    const waiting = { tenant, since: this.#clock.monotonic() };
    if (this.slots.isFull) this.#waiting.push(waiting);
    const granted = this.slots.enter(signal);
    this.makeRoom();
    const entered = await granted;
    const at = this.#waiting.indexOf(waiting);
    if (at !== -1) this.#waiting.splice(at, 1);
    if (entered) this.#holders.add(tenant);
    return entered;
  }

  release(tenant: Tenant): void {
    if (!this.#holders.delete(tenant)) return;
    this.#yielding.delete(tenant);
    this.#givingWay.delete(tenant);
    this.slots.leave();
  }

  /** To be called whenever a holder becomes idle. */
  makeRoom(): void {
    if (this.slots.waiting === 0) return;
    for (const tenant of victims([...this.#holders], this.slots.waiting, this.#yielding)) {
      this.#yielding.add(tenant);
      tenant.yieldSlot();
    }
  }

  /** Whether a holder should make room before it takes on what came at `since`, because somebody has waited for longer. */
  givesWay(tenant: Tenant, since: number): boolean {
    const first = this.#waiting[0];
    if (first === undefined || first.since > since) {
      this.#givingWay.delete(tenant);
      return false;
    }
    // One for each who waits is enough.
    this.#givingWay.delete(tenant);
    const isWanted = this.#givingWay.size + this.#yielding.size < this.slots.waiting;
    if (isWanted) this.#givingWay.add(tenant);
    return isWanted;
  }

  get isContended(): boolean {
    return this.slots.waiting > 0;
  }

  /** Place in the line for a slot, from 1; null when not in it. */
  position(tenant: Tenant): number | null {
    const at = this.#waiting.findIndex((waiting) => waiting.tenant === tenant);
    return at === -1 ? null : at + 1;
  }
}

/** The idle holders that should close now: the least recently used ones, one for each who waits and none more. */
export function victims<T extends Pick<Tenant, "idleSince">>(
  holders: readonly T[],
  waiting: number,
  yielding: ReadonlySet<T>,
): T[] {
  return holders
    .flatMap((holder) =>
      holder.idleSince === null || yielding.has(holder) ? [] : [{ holder, since: holder.idleSince }],
    )
    .sort((a, b) => a.since - b.since)
    .slice(0, Math.max(0, waiting - yielding.size))
    .map(({ holder }) => holder);
}

/** Lets so many in at once, the others in order of arrival. */
export class Gate {
  readonly places: number;
  #free: number;
  readonly #line: Array<() => void> = [];

  constructor(places: number) {
    this.places = places;
    this.#free = places;
  }

  get taken(): number {
    return this.places - this.#free;
  }

  get waiting(): number {
    return this.#line.length;
  }

  get isFull(): boolean {
    return this.#free === 0;
  }

  /** Resolves to true when inside, to false when `signal` aborts first. */
  enter(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const admit = () => {
        signal.removeEventListener("abort", leaveLine);
        resolve(true);
      };
      const leaveLine = () => {
        this.#line.splice(this.#line.indexOf(admit), 1);
        resolve(false);
      };
      this.#line.push(admit);
      signal.addEventListener("abort", leaveLine, { once: true });
    });
  }

  leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
