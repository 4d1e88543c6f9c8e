/**
 * A session's conversation between two processes: its transcript and the copy of it, and what the next process has to do
 * before anything new is said. It is taken up where the last process left it, made shorter when it is too long, and given
 * up for a new one only when nothing of it is left; the old one is kept then, as after a reset.
 */

import { randomUUID } from "node:crypto";
import type { TranscriptTurn } from "../claude/index.ts";
import type { Session as SessionRecord } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { type Continuation, type Settled, settle } from "./aftermath.ts";
import type { Book } from "./book.ts";
import { type Entry, putBack } from "./entry.ts";
import {
  copyOf,
  type Folders,
  type Ground,
  groundOf,
  prepareGround,
  putAside,
  turnsOf,
  withoutMedia,
} from "./ground.ts";
import { freshNotice } from "./notices.ts";
import type { Over } from "./serving.ts";
import type { Spare } from "./spares.ts";

const repairs: Record<Exclude<Ground["did"], "nothing">, string> = {
  restored: "The transcript was restored from its copy.",
  cut: "The transcript was cut in its last line, which was not whole.",
  mended: "The transcript had lost lines in its middle; what follows them was joined to what is before.",
};

const filesTakenOut =
  "The model's API refused a picture or document of the conversation; all that stood in it were taken out.";

export class Conversation {
  readonly #book: Book;
  readonly #folders: Folders;
  readonly #log: Logger;
  /** Copies of the transcript, one after the other. */
  #copying: Promise<void> = Promise.resolve();
  #continuation: Continuation | null = null;
  #tooLong = false;
  #tainted = false;
  #poisoned = false;
  #hopeless = false;

  constructor(book: Book, folders: Folders, log: Logger) {
    this.#book = book;
    this.#folders = folders;
    this.#log = log;
  }

  /** The turn that the next process has to take up. */
  get continuation(): Continuation | null {
    return this.#continuation;
  }

  /** The next process has to make it shorter first. */
  get tooLong(): boolean {
    return this.#tooLong;
  }

  /** A turn that only failed is to be left out of it, which only a new process can do. */
  get tainted(): boolean {
    return this.#tainted;
  }

  /** A turn has failed in the present process. */
  taint(): void {
    this.#tainted = true;
  }

  /** The model's API refuses a file that stands in it: the next process goes on without any. */
  poison(): void {
    this.#poisoned = true;
  }

  shorten(): void {
    this.#tooLong = true;
  }

  /** It cannot be made shorter: the next process begins another. */
  giveUp(): void {
    this.#hopeless = true;
  }

  /** Brings the copy up to date, in its turn. */
  copy(): void {
    const { record } = this.#book.known;
    this.#copying = this.#copying
      .then(() => copyOf(record, this.#folders))
      .catch((error) => this.#log.error({ error: String(error) }, "the transcript could not be copied"));
  }

  /** Resolves when no copy is under way. */
  get copied(): Promise<void> {
    return this.#copying;
  }

  /** Decides about messages that were charged under a process that is gone; null: an earlier daemon's. */
  async recover(entries: readonly Entry[], over: Over | null): Promise<Settled> {
    await this.#copying;
    const { record } = this.#book.known;
    if (over?.unresumable === true) await putAside(record, this.#folders);
    const turns = entries.length === 0 ? [] : await turnsOf(record, this.#folders);
    const left = { entries, turn: over?.turn ?? null, excused: over?.excused ?? false };
    const settled = await settle(left, turns, this.#book);
    this.#continuation = settled.continued;
    if (entries.length > 0) this.copy();
    return settled;
  }

  /** The cut turn's messages, without those that have got their end since. */
  stillWanted(open: readonly Entry[]): Continuation | null {
    if (this.#continuation === null) return null;
    const entries = this.#continuation.entries.filter((entry) => open.includes(entry));
    this.#continuation = entries.length === 0 ? null : { ...this.#continuation, entries };
    return this.#continuation;
  }

  /** A try for each message of the cut turn, under the uuid by which the transcript knows it. */
  async charge(generation: number, { entries, progress }: Continuation): Promise<void> {
    const tries = entries.map((entry) => {
      const sdkUuid = entry.tries.at(-1)?.sdkUuid ?? entry.message.id;
      const charged = { sdkUuid, kind: "continue" as const, progress, outcome: null, generation };
      entry.tries.push(charged);
      entry.phase = "taken";
      return { messageId: entry.message.id, ...charged };
    });
    await this.#book.write((ledger, lease) => ledger.charge(lease, generation, tries));
  }

  /** Its process was not started after all. */
  giveBack({ entries }: Continuation): void {
    for (const entry of entries) putBack(entry, "excused");
    const ids = entries.map(({ message }) => message.id);
    this.#book.later((ledger, lease) => ledger.requeue(lease, ids, "excused"));
  }

  /** Nobody waits any more for what was cut. */
  forgetContinuation(): void {
    this.#continuation = null;
  }

  /** It has been made shorter. */
  shortened(): void {
    this.#tooLong = false;
  }

  /** The next process has taken over what there was to do; what is too long it has to make shorter yet. */
  taken({ transcript }: Ground): void {
    this.#continuation = null;
    this.#tainted = false;
    if (transcript === null) this.#tooLong = false;
  }

  /**
   * What the next process stands on. `first`: whose sender is told when the conversation is gone. Null: it is, and there is
   * nobody to be told yet.
   */
  async prepare(first: Entry | undefined): Promise<Ground | null> {
    await this.#copying;
    const { record, name } = this.#book.known;
    await this.#cleanse(record);
    const cut = this.#continuation?.entries;
    const continued =
      cut === undefined
        ? null
        : ({ members }: TranscriptTurn) =>
            cut.some(({ tries }) => tries.some(({ sdkUuid }) => members.includes(sdkUuid)));
    const ground = await prepareGround(record, name, this.#folders, { continued, log: this.#log });
    if (ground.did !== "nothing") this.#note(`transcript_${ground.did}`, repairs[ground.did]);
    if (ground.lost || this.#hopeless)
      return first === undefined ? null : await this.#begunAnew(ground, first);
    this.#noteUnproven(ground, record);
    return ground;
  }

  async #cleanse(record: SessionRecord): Promise<void> {
    if (!this.#poisoned) return;
    if (await withoutMedia(record, this.#folders)) this.#note("files_taken_out", filesTakenOut);
    this.#poisoned = false;
  }

  /** What a spare stands on that serves this session. */
  async prepareSpare(spare: Spare): Promise<Ground> {
    return await groundOf(spare, this.#book.known.name, this.#folders, this.#log);
  }

  /** Puts it aside and begins another. */
  async reset(): Promise<SessionRecord> {
    await this.#book.open();
    const { session } = await this.#book.write((ledger, lease) => ledger.resetSession(lease, randomUUID()));
    return this.#begin(session);
  }

  /** It is kept no longer, and those put aside with it: another begins. False when the chat has been active since then. */
  async remove(restingSince: number): Promise<boolean> {
    await this.#book.open();
    await this.#copying;
    const session = await this.#book.write((ledger, lease) =>
      ledger.removeConversations(lease, randomUUID(), restingSince),
    );
    if (session !== null) this.#begin(session);
    return session !== null;
  }

  #begin(session: SessionRecord): SessionRecord {
    this.#book.known.record = session;
    this.#continuation = null;
    this.#tooLong = false;
    this.#hopeless = false;
    return session;
  }

  async #begunAnew({ lost }: Ground, first: Entry): Promise<Ground> {
    const { record, name } = this.#book.known;
    const text = lost
      ? "The transcript of this session and its copy are not there any more, or cannot be read."
      : "The conversation has become too long, and could not be made shorter.";
    this.#log.error({ sessionId: record.id }, text);
    this.#note("conversation_begun_anew", text);
    const fresh = await this.reset();
    const notice = freshNotice(first.message.id, lost);
    this.#book.later((ledger, lease) => ledger.notify(lease, [notice]));
    return await prepareGround(fresh, name, this.#folders, { continued: null, log: this.#log });
  }

  #noteUnproven({ transcript }: Ground, { sdkSessionId }: SessionRecord): void {
    const { unprovenSessionId } = this.#book.known;
    if (transcript !== null || sdkSessionId !== null || unprovenSessionId === null) return;
    const text = `The session ${unprovenSessionId} was imported without its transcript; the conversation begins anew.`;
    this.#note("session_unproven", text);
  }

  #note(code: string, text: string): void {
    this.#book.note({ type: "notice", code, text });
  }
}
