/**
 * Retention: what a tier's contacts said is kept for as long as its `keep` says, by default for ever. Once an hour, and at the
 * start, in small steps between which everything else goes on.
 */

import type { Clock } from "../clock.ts";
import type { Policy, Tiers } from "../contacts/tiers.ts";
import type { Expired, Expiry, Ledger } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { clearForgotten } from "./forget.ts";
import type { Folders } from "./ground.ts";
import type { Manager } from "./manager.ts";

const everyMs = 3_600_000;

/** How many were removed. */
export interface Removed {
  messages: number;
  events: number;
  conversations: number;
}

export interface RetentionOptions {
  ledger: Pick<Ledger, "expire" | "shrink" | "forgottenSpaces" | "spaceGone">;
  manager: Pick<Manager, "removeConversations">;
  tiers: Pick<Tiers, "all">;
  folders: Folders;
  clock: Clock;
  log: Logger;
  onRemoved(removed: Removed): void;
}

export class Retention {
  readonly #options: RetentionOptions;
  readonly #stop: () => void;
  #running: Promise<void> | null = null;
  #over = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#stop = options.clock.every(everyMs, () => void this.run());
  }

  /** Removes what is kept no longer. One at a time: a second call is the first. Never rejects: the next hour tries again. */
  run(): Promise<void> {
    this.#running ??= this.#run()
      .catch((error) =>
        this.#options.log.error({ error: String(error) }, "what is kept no longer could not be removed"),
      )
      .finally(() => {
        this.#running = null;
      });
    return this.#running;
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#over = true;
    this.#stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ledger, tiers, clock, log, folders, onRemoved } = this.#options;
    const expiries = expiriesOf(tiers.all, clock.now());
    if (Object.keys(expiries).length === 0) return;
    const removed: Removed = { messages: 0, events: 0, conversations: 0 };
    for (let next: string | null = ""; next !== null && !this.#over; ) {
      const step = await ledger.expire(next, expiries);
      removed.messages += step.messages;
      removed.events += step.events;
      removed.conversations += await this.#removeConversations(step.resting);
      next = step.next;
    }
    // Each hour: an earlier one may have failed to.
    await clearForgotten(ledger, folders);
    if (removed.messages + removed.events === 0 && removed.conversations === 0) return;
    while (!this.#over && (await ledger.shrink()));
    log.info({ ...removed }, "what is kept no longer was removed");
    onRemoved(removed);
  }

  async #removeConversations(resting: Expired["resting"]): Promise<number> {
    const { manager } = this.#options;
    let removed = 0;
    for (const { chatId, since } of resting) {
      if (this.#over) break;
      if (await manager.removeConversations(chatId, since)) removed += 1;
    }
    return removed;
  }
}

/** By tier, of those that do not keep everything. Pure. */
export function expiriesOf(
  policies: Iterable<Pick<Policy, "tier" | "keep">>,
  now: number,
): Record<string, Expiry> {
  const since = (keptMs: number | null) => (keptMs === null ? null : now - keptMs);
  const expiries: Array<[string, Expiry]> = [];
  for (const { tier, keep } of policies) {
    const expiry = {
      messagesBefore: since(keep.messagesMs),
      eventsBefore: since(keep.eventsMs),
      conversationsBefore: since(keep.conversationsMs),
    };
    if (Object.values(expiry).some((before) => before !== null)) expiries.push([tier, expiry]);
  }
  return Object.fromEntries(expiries);
}
