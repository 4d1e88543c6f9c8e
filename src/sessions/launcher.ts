/**
 * Gets a session's next process running: after the delay that the last deaths ask for it takes a slot and a place among the
 * starts, sees to the ground that the process stands on, has the ledger number it, and charges the turn that it has to take
 * up. It can be called off at any time; then either no process was spawned, or the caller finds it.
 *
 * A new session whose id is a spare's has its process already: nothing of this is waited for but the ledger.
 */

import { sleep } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import type { Continuation } from "./aftermath.ts";
import type { Book } from "./book.ts";
import type { Conversation } from "./conversation.ts";
import type { Deaths } from "./deaths.ts";
import type { EndReason } from "./ends.ts";
import type { Entry } from "./entry.ts";
import type { Ground } from "./ground.ts";
import type { Tenant } from "./pool.ts";
import { forgetSpare, noteRunning } from "./running.ts";
import type { Serving } from "./serving.ts";
import type { Surroundings } from "./session.ts";
import type { Spare } from "./spares.ts";

/** What the process is wanted for. */
export interface Plan {
  policy: Policy;
  reason: string;
  continuation: Continuation | null;
  /** The first message that it will be given. */
  first: Entry | undefined;
}

export interface Launch extends Plan {
  generation: number;
  ground: Ground;
  /** Whose process it takes over; null: one has to be spawned. */
  spare: Spare | null;
  /** To be called when it has started up, or has ended: others may start then. */
  startDone: () => void;
}

export interface LauncherOptions {
  tenant: Tenant;
  around: Pick<Surroundings, "clock" | "pool" | "folders">;
  book: Book;
  conversation: Conversation;
  deaths: Deaths;
  /** Null: no process is wanted any more. */
  plan(): Plan | null;
  /** The spare whose session this is, once; the launcher hands it over or closes it. */
  takeSpare(): Spare | null;
  /** Spawns it and takes it over, both at once. */
  serve(launch: Launch): Serving;
  onFailed(error: unknown): void;
  /** The conversation is gone, and no message is there to begin another: it waits for one. */
  onNothingToResume(): void;
  /** The messages of the turn that was to be taken up are in the queue again. */
  onGivenBack(entries: readonly Entry[]): void;
}

export class Launcher {
  readonly #options: LauncherOptions;
  #underWay: { abort: AbortController; settled: Promise<unknown> } | null = null;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== null;
  }

  /** Resolves when nothing is under way any more. */
  async callOff(): Promise<void> {
    this.#underWay?.abort.abort();
    await this.#underWay?.settled;
  }

  /** Null: it is not wanted now, or could not be started. */
  async launch(): Promise<Serving | null> {
    const { tenant, around, deaths } = this.#options;
    const { clock, pool } = around;
    const abort = new AbortController();
    const settled = Promise.withResolvers<void>();
    this.#underWay = { abort, settled: settled.promise };
    let serving: Serving | null = null;
    try {
      serving = await this.#takeOver(abort.signal);
      if (serving !== null) return serving;
      const delay = deaths.delayBeforeNext;
      if (delay > 0) await sleep(clock, delay, abort.signal);
      if (!(await pool.acquire(tenant, abort.signal))) return null;
      if (await pool.starts.enter(abort.signal)) serving = await this.#start(abort.signal);
      return serving;
    } finally {
      if (serving === null) pool.release(tenant);
      this.#underWay = null;
      settled.resolve();
    }
  }

  /** Null: there is no spare for it, or it is of no use. */
  async #takeOver(calledOff: AbortSignal): Promise<Serving | null> {
    const { conversation, plan: planned, takeSpare } = this.#options;
    const spare = takeSpare();
    if (spare === null) return null;
    let serving: Serving | null = null;
    try {
      const plan = planned();
      if (plan === null || plan.policy !== spare.policy || plan.continuation !== null) return null;
      const ground = await conversation.prepareSpare(spare);
      serving = await this.#begin({ ...plan, ground, spare, startDone() {} }, calledOff);
      return serving;
    } finally {
      if (serving === null) await spare.close();
    }
  }

  /** Has a place among the starts, and leaves it when the start is done. */
  async #start(calledOff: AbortSignal): Promise<Serving | null> {
    const startDone = once(() => this.#options.around.pool.starts.leave());
    let serving: Serving | null = null;
    try {
      const plan = this.#options.plan();
      if (plan === null) return null;
      const ground = await this.#prepare(plan);
      if (ground === null) return null;
      serving = await this.#begin({ ...plan, ground, spare: null, startDone }, calledOff);
      void serving?.over.then(startDone);
      return serving;
    } finally {
      if (serving === null) startDone();
    }
  }

  async #prepare({ first }: Plan): Promise<Ground | null> {
    try {
      const ground = await this.#options.conversation.prepare(first);
      if (ground === null) this.#options.onNothingToResume();
      return ground;
    } catch (error) {
      this.#options.onFailed(error);
      return null;
    }
  }

  async #begin(plan: Omit<Launch, "generation">, calledOff: AbortSignal): Promise<Serving | null> {
    const { book, conversation, onFailed, serve } = this.#options;
    const { continuation, reason, spare } = plan;
    const { record } = book.known;
    // Both are on disk before the spawn; neither waits for the other.
    const noted = this.#note(record.id, spare);
    const { generation } = await book.write((ledger, lease) => ledger.beginProcess(lease, record.id, reason));
    if (calledOff.aborted) {
      // A stop may have ended the cut turn's messages: they are not charged any more.
      book.later((ledger, lease) => ledger.processEnded(lease, generation, notNeeded));
      return null;
    }
    if (continuation !== null) await conversation.charge(generation, continuation);
    try {
      await noted;
      // Nothing is waited for between here and the spawn: whoever has called it off finds no process later.
      if (calledOff.aborted || spare?.isWell === false) {
        this.#notBegun(generation, continuation, calledOff.aborted ? notNeeded : "the spare has ended");
        return null;
      }
      const serving = serve({ ...plan, generation });
      book.later((ledger, lease) => ledger.processStarted(lease, generation, serving.pid));
      return serving;
    } catch (error) {
      this.#notBegun(generation, continuation, error instanceof Error ? error.message : String(error));
      onFailed(error);
      return null;
    }
  }

  /** Its rejection is heard by whoever awaits it later. */
  #note(sessionId: string, spare: Spare | null): Promise<void> {
    const { folders } = this.#options.around;
    const noted = noteRunning(folders, sessionId).then(async () => {
      if (spare !== null) await forgetSpare(folders, sessionId);
    });
    noted.catch(() => {});
    return noted;
  }

  #notBegun(generation: number, continuation: Continuation | null, why: string): void {
    const { book, conversation, onGivenBack } = this.#options;
    if (continuation !== null) {
      conversation.giveBack(continuation);
      onGivenBack(continuation.entries);
    }
    book.later((ledger, lease) => ledger.processEnded(lease, generation, why));
  }
}

const notNeeded: EndReason = "not needed any more";

function once(fn: () => void): () => void {
  let done = false;
  return () => {
    if (!done) fn();
    done = true;
  };
}
