/**
 * Claude processes are a bounded resource that all chats share; conversations are not.
 *
 * - There is room for so many processes, and for so many bytes of all their trees together.
 * - A chat holds its place from before its process is spawned until its tree is gone.
 * - Who finds no room waits in order of arrival; for those who wait, and when what is there has grown beyond the memory,
 *   idle processes are asked to close, first those that are likely to be needed last. A busy one never is.
 * - Starts are costly (about a second of CPU each), so only a few run at once.
 */

import type { Clock } from "../clock.ts";

export interface Tenant {
  /** ms until its idle process is likely to be needed; null while it is not idle. */
  readonly untilNext: number | null;
  /** Its process is about to end in any case. */
  readonly isLeaving: boolean;
  /** Asks it to close its idle process; it calls `release` when the process is gone. */
  yieldSlot(): void;
}

export interface Room {
  /** Most processes at once. */
  maxProcesses: number;
  /** Most bytes that their trees take together. */
  memoryBytes: number;
}

/** What is known of a place that is taken, for the decision who makes room. */
export interface Taken {
  /** As the tenant's. */
  untilNext: number | null;
  bytes: number;
  /** It was asked to close, or is about to in any case. */
  yielding: boolean;
}

/** Bytes that a process is taken to need until it was weighed: measured 105 to 150 MB, some dozens of turns old. */
export const newcomerBytes = 150 * 2 ** 20;

interface Place {
  /** Null until it was weighed. */
  bytes: number | null;
  yielding: boolean;
  /** Busy, and takes on nothing more, for somebody who has waited for longer. */
  givingWay: boolean;
}

export class Pool {
  #room: Room;
  readonly starts: Gate;
  readonly #clock: Clock;
  readonly #places = new Map<Tenant, Place>();
  readonly #line = new Queue<{ tenant: Tenant; since: number }>();

  constructor({ maxStarts, ...room }: Room & { maxStarts: number }, clock: Clock) {
    this.#room = room;
    this.starts = new Gate(maxStarts);
    this.#clock = clock;
  }

  // What others see

  get room(): Readonly<Room> {
    return this.#room;
  }

  /** Places that are taken. */
  get live(): number {
    return this.#places.size;
  }

  get waiting(): number {
    return this.#line.length;
  }

  get isContended(): boolean {
    return this.waiting > 0;
  }

  /** Whether one more would take nothing from anybody: neither a place, nor memory, nor its turn among the starts. */
  get hasRoomToSpare(): boolean {
    return !this.isContended && this.free > 0 && !this.starts.isFull;
  }

  /** Bytes of all that is there, as it was weighed last. */
  get bytes(): number {
    return sum([...this.#places.values()].map(({ bytes }) => bytes ?? newcomerBytes));
  }

  /** As its process was weighed last; null when it was not. */
  bytesOf(tenant: Tenant): number | null {
    return this.#places.get(tenant)?.bytes ?? null;
  }

  /** Whether it has a place. */
  has(tenant: Tenant): boolean {
    return this.#places.has(tenant);
  }

  /** Places that could be taken at once. */
  get free(): number {
    const { maxProcesses, memoryBytes } = this.room;
    const byMemory = Math.floor((memoryBytes - this.bytes) / newcomerBytes);
    const free = Math.min(maxProcesses - this.live, byMemory);
    // One is always let in: what is too big for the memory by itself would wait for ever.
    return Math.max(free, this.live === 0 ? 1 : 0);
  }

  /** Place in the line, from 1; null when not in it. */
  position(tenant: Tenant): number | null {
    return this.#line.position((waiting) => waiting.tenant === tenant);
  }

  // Coming and going

  /** Resolves to false when `signal` aborts first. */
  acquire(tenant: Tenant, signal: AbortSignal): Promise<boolean> {
    const admitted = this.#line.join({ tenant, since: this.#clock.monotonic() }, signal);
    this.#admit();
    this.makeRoom();
    return admitted;
  }

  /** Takes a place that is to spare, at once. Throws when there is none. */
  take(tenant: Tenant): void {
    if (!this.hasRoomToSpare) throw new Error("there is no room to spare");
    this.#places.set(tenant, { bytes: null, yielding: false, givingWay: false });
  }

  /** The place goes over to somebody else, with the process that it is for. */
  transfer(from: Tenant, to: Tenant): void {
    const place = this.#places.get(from);
    if (place === undefined) throw new Error("who gives a place must have one");
    this.#places.delete(from);
    this.#places.set(to, place);
  }

  release(tenant: Tenant): void {
    if (this.#places.delete(tenant)) this.#admit();
  }

  /** There is more room, or less: then idle ones close, and busy ones when they have become idle. */
  resize(room: Room): void {
    this.#room = room;
    this.#admit();
    this.makeRoom();
  }

  /** What the trees of some tenants were found to take. */
  weighed(bytes: ReadonlyMap<Tenant, number>): void {
    for (const [tenant, weight] of bytes) {
      const place = this.#places.get(tenant);
      if (place !== undefined) place.bytes = weight;
    }
    this.#admit();
    this.makeRoom();
  }

  /** To be called whenever a tenant becomes idle. */
  makeRoom(): void {
    // On the way of each message, so the ordinary case comes first.
    const { maxProcesses, memoryBytes } = this.room;
    if (!this.isContended && this.bytes <= memoryBytes && this.live <= maxProcesses) return;
    const taken = [...this.#places].map(([tenant, place]) => ({
      tenant,
      place,
      untilNext: tenant.untilNext,
      bytes: place.bytes ?? newcomerBytes,
      yielding: place.yielding || tenant.isLeaving,
    }));
    for (const { tenant, place } of evictions(taken, this.#line.length, this.room)) {
      place.yielding = true;
      tenant.yieldSlot();
    }
  }

  /** Whether a tenant should make room before it takes on what came at `since`, because somebody has waited for longer. */
  givesWay(tenant: Tenant, since: number): boolean {
    const place = this.#places.get(tenant);
    if (place === undefined) return false;
    place.givingWay = false;
    const { first } = this.#line;
    if (first === undefined || first.since > since) return false;
    // One for each who waits is enough.
    const leaving = [...this.#places].filter(
      ([{ isLeaving }, { yielding, givingWay }]) => isLeaving || yielding || givingWay,
    );
    place.givingWay = leaving.length < this.#line.length;
    return place.givingWay;
  }

  #admit(): void {
    for (let { first } = this.#line; first !== undefined && this.free > 0; { first } = this.#line) {
      this.#places.set(first.tenant, { bytes: null, yielding: false, givingWay: false });
      this.#line.admitFirst();
    }
  }
}

/**
 * The idle ones that should close now, first those that are likely to be needed last: as many as it takes to have room for
 * those who wait and to stay within the memory, and none more.
 */
export function evictions<T extends Taken>(taken: readonly T[], waiting: number, room: Room): T[] {
  const staying = taken.filter(({ yielding }) => !yielding);
  let places = room.maxProcesses - staying.length - waiting;
  let bytes = room.memoryBytes - sum(staying.map((each) => each.bytes)) - waiting * newcomerBytes;
  const chosen: T[] = [];
  for (const each of neededLast(staying)) {
    if (places >= 0 && bytes >= 0) break;
    places += 1;
    bytes += each.bytes;
    chosen.push(each);
  }
  return chosen;
}

function neededLast<T extends Taken>(taken: readonly T[]): T[] {
  return taken
    .flatMap((each) => (each.untilNext === null ? [] : [{ each, wait: each.untilNext }]))
    .sort((a, b) => b.wait - a.wait)
    .map(({ each }) => each);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Lets so many in at once, the others in order of arrival. */
export class Gate {
  #free: number;
  readonly #line = new Queue<null>();

  constructor(places: number) {
    this.#free = places;
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
    return this.#line.join(null, signal);
  }

  leave(): void {
    if (this.#line.length === 0) this.#free += 1;
    else this.#line.admitFirst();
  }
}

/** Who waits, in order of arrival; anybody may give up. */
class Queue<T> {
  readonly #waiting: Array<{ who: T; admit: () => void }> = [];

  get length(): number {
    return this.#waiting.length;
  }

  get first(): T | undefined {
    return this.#waiting[0]?.who;
  }

  /** From 1; null when there is none. */
  position(is: (who: T) => boolean): number | null {
    const at = this.#waiting.findIndex(({ who }) => is(who));
    return at === -1 ? null : at + 1;
  }

  /** Resolves to true when admitted, to false when `signal` aborts first. */
  join(who: T, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        resolve(false);
      };
      const admit = () => {
        signal.removeEventListener("abort", giveUp);
        resolve(true);
      };
      const waiting = { who, admit };
      this.#waiting.push(waiting);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  admitFirst(): void {
    this.#waiting.shift()?.admit();
  }
}
