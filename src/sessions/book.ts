/**
 * A session's side of the ledger: its lease, what the ledger knows of the chat, and every write on the session's behalf,
 * one after the other in the order in which they were asked for, so that what the ledger tells is what happened.
 * A full or locked disk delays these writes; it loses none of them and stops nothing else.
 */

import { randomUUID } from "node:crypto";
import { type Clock, sleep } from "../clock.ts";
import {
  type Change,
  type Contact,
  type Lease,
  type Ledger,
  LedgerError,
  type Session as SessionRecord,
} from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { lookedAt } from "./rhythm.ts";

const retryMs = 1000;

export interface BookOptions {
  chatId: string;
  hostId: string;
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  /** After its abort a write that fails is not tried again: what it says is left to the recovery at the next start. */
  hurry: AbortSignal;
  /** Of a write that nobody waits for. */
  onFailure(error: unknown): void;
  /** The id for the session of a chat that has none; called before each attempt to open it. Default: a random one. */
  newSessionId?: (contact: Contact) => string;
}

/** What the ledger knows of the chat. */
interface Page {
  readonly lease: Lease;
  /** The name of the session's link for people. */
  readonly name: string;
  contact: Contact;
  record: SessionRecord;
  /** When its last messages were accepted, oldest first, in ms since the Unix epoch. */
  times: readonly number[];
  /** A session id from another host that no transcript here bears out. */
  readonly unprovenSessionId: string | null;
}

export class Book {
  readonly #options: BookOptions;
  #page: Page | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: BookOptions) {
    this.#options = options;
  }

  get chatId(): string {
    return this.#options.chatId;
  }

  /** Null until it has been opened. */
  get page(): Page | null {
    return this.#page;
  }

  /** Takes the chat's lease and reads what the ledger knows of it; only the first call does something. */
  async open(): Promise<Page> {
    return await this.write(async () => this.#opened());
  }

  /** What the ledger knows; throws before `open`. */
  get known(): Page {
    if (this.#page === null) throw new Error("the session's book is not open");
    return this.#page;
  }

  /** Resolves or rejects as the write does; a full or locked storage is waited for. */
  write<T>(work: (ledger: Ledger, lease: Lease) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => this.#persist(work));
    this.#last = result.catch(() => {});
    return result;
  }

  /** A write that nobody waits for. */
  later(work: (ledger: Ledger, lease: Lease) => Promise<unknown>): void {
    this.write(work).catch((error) => this.#options.onFailure(error));
  }

  note(change: Extract<Change, { type: "notice" }>): void {
    this.later((ledger, lease) => ledger.append(lease, [change]));
  }

  /** A message was accepted. */
  noteTime(at: number): void {
    if (this.#page !== null) this.#page.times = [...this.#page.times, at].slice(-lookedAt);
  }

  /** Resolves when everything asked for so far is done. Never rejects. */
  async settled(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
  }

  async #persist<T>(work: (ledger: Ledger, lease: Lease) => Promise<T>): Promise<T> {
    const { ledger, clock, log, hurry } = this.#options;
    for (;;) {
      try {
        const { lease } = await this.#opened();
        return await work(ledger, lease);
      } catch (error) {
        const passing =
          error instanceof LedgerError && (error.code === "storage_full" || error.code === "storage_busy");
        if (!passing || hurry.aborted) throw error;
        log.warn({ code: error.code }, "the ledger cannot be written; trying again");
        await sleep(clock, retryMs, hurry);
      }
    }
  }

  async #opened(): Promise<Page> {
    if (this.#page !== null) return this.#page;
    const { ledger, chatId, hostId, newSessionId = () => randomUUID() } = this.#options;
    const grant = await ledger.acquire(chatId, hostId);
    if ("heldBy" in grant) throw new Error(`the chat is held by host ${grant.heldBy}`);
    const lease = { chatId, epoch: grant.epoch };
    const chat = await ledger.chat(chatId);
    if (chat === null) throw new Error("the chat is not in the ledger");
    const record = await ledger.openSession(
      lease,
      chat.session === null ? newSessionId(chat.contact) : randomUUID(),
    );
    const times = await ledger.acceptTimes(chatId, lookedAt);
    const { contact, sessionName: name, unprovenSessionId } = chat;
    this.#page = { lease, record, contact, name, unprovenSessionId, times };
    return this.#page;
  }
}
