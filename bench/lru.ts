/**
 * The rival of the pool: what a good host writes on the bare Agent SDK that has more chats than room for processes. Who has
 * a process uses it; everybody else waits for a place, in order of arrival, and resumes its conversation. For each who waits
 * the least recently used idle process is closed, and its place is free when it is gone. Starts are not limited.
 */

import type { BareProcess } from "./bare.ts";
import type { BareChats } from "./pasts.ts";

export class LruPool {
  readonly #chats: BareChats;
  #free: number;
  #starts = 0;
  #closed = false;
  /** Least recently used first. */
  readonly #idle = new Map<number, BareProcess>();
  readonly #busy = new Set<BareProcess>();
  readonly #leaving = new Map<number, Promise<void>>();
  readonly #line: Array<() => void> = [];

  constructor(chats: BareChats, places: number) {
    this.#chats = chats;
    this.#free = places;
  }

  get starts(): number {
    return this.#starts;
  }

  /** Resolves when the message is answered. One of a chat at a time. */
  async ask(chat: number, text: string): Promise<void> {
    const live = this.#idle.get(chat);
    this.#idle.delete(chat);
    const process = live ?? (await this.#start(chat));
    this.#busy.add(process);
    await process.ask(text);
    this.#busy.delete(process);
    this.#idle.set(chat, process);
    this.#makeRoom();
  }

  /** Ends all, also in mid-turn; who waits, waits for ever. */
  async close(): Promise<void> {
    this.#closed = true;
    const there = [...this.#idle.values(), ...this.#busy];
    await Promise.all([...this.#leaving.values(), ...there.map((process) => process.end())]);
  }

  async #start(chat: number): Promise<BareProcess> {
    await this.#place();
    await this.#leaving.get(chat);
    const process = await this.#chats.process(chat);
    if (this.#closed) throw new Error("the pool is closed");
    this.#starts += 1;
    return process;
  }

  #place(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#line.push(resolve);
    this.#makeRoom();
    return promise;
  }

  #makeRoom(): void {
    for (const [chat, process] of this.#idle) {
      if (this.#closed || this.#leaving.size >= this.#line.length) return;
      this.#idle.delete(chat);
      this.#leaving.set(chat, this.#end(chat, process));
    }
  }

  async #end(chat: number, process: BareProcess): Promise<void> {
    await process.end();
    this.#leaving.delete(chat);
    const first = this.#line.shift();
    if (first === undefined) this.#free += 1;
    else first();
  }
}
