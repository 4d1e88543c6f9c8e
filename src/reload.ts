/**
 * A changed config takes the place of the one in force. It is read and checked before anything changes, so it is taken
 * over whole or not at all. Nothing is cut: who runs under an old policy goes with the end of its turn.
 */

import type { Channel, Outboxes } from "./channels/index.ts";
import { type Checked, checked } from "./checked.ts";
import type { Clock } from "./clock.ts";
import { type Changes, changesOf } from "./config/changes.ts";
import type { Config } from "./config.ts";
import type { Tiers } from "./contacts/tiers.ts";
import type { Logger } from "./log.ts";
import { totalMemory } from "./os/index.ts";
import {
  type Approvals,
  type Budgets,
  type Manager,
  type Pool,
  type RateLimit,
  type Spares,
  settingsOf,
} from "./sessions/index.ts";
import { type HostView, iso, type ReloadView, type UpstreamView } from "./views.ts";

export interface ReloadParts {
  clock: Clock;
  log: Logger;
  upstream: UpstreamView;
  /** The one that Switchboard was opened with. */
  config: Config;
  /** Those that the embedder brought: no config changes them. */
  ownChannels: readonly Channel[];
  tiers: Tiers;
  outboxes: Outboxes;
  manager: Manager;
  pool: Pool;
  spares: Spares;
  budgets: Budgets;
  approvals: Approvals;
  rateLimit: RateLimit;
}

export class Reload {
  readonly #parts: ReloadParts;
  #config: Config;
  #state: HostView["config"];
  /** One after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.#state = { since: iso(parts.clock.now()), refused: null, restart: [] };
  }

  /** In force. */
  get config(): Config {
    return this.#config;
  }

  get state(): HostView["config"] {
    return this.#state;
  }

  /** Resolves when none is under way. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  /** Rejects with what `load` throws, or with `invalid_config`; then nothing has changed. */
  reload(load: () => Config): Promise<ReloadView> {
    const reloaded = this.#last.then(() => this.#reload(load));
    this.#last = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(load: () => Config): Promise<ReloadView> {
    const { clock, log, ownChannels, upstream } = this.#parts;
    const now = iso(clock.now());
    let changes: Changes;
    let next: Checked;
    try {
      changes = changesOf(this.#config, load());
      next = checked(changes.config, { own: ownChannels, metered: upstream.kind !== "direct" });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#state = { ...this.#state, refused: { at: now, message } };
      log.error({ error: message }, "the changed config is refused; the one before stays in force");
      throw error;
    }
    this.#config = changes.config;
    this.#state = { since: now, refused: null, restart: changes.restart };
    await this.#apply(changes, next);
    return { changed: changes.live, restart: changes.restart };
  }

  async #apply({ config, live, restart }: Changes, next: Checked): Promise<void> {
    const { tiers, outboxes, manager, pool, spares, budgets, approvals, rateLimit, log } = this.#parts;
    const settings = settingsOf(config, totalMemory());
    tiers.adopt(next.tiers);
    rateLimit.change(settings.rates);
    approvals.change(settings.asking);
    pool.resize(settings.room);
    spares.change({ count: settings.spares });
    manager.change(settings);
    budgets.change(settings.money);
    const named = new Set(live.flatMap((key) => /^channels\.([^.]+)/.exec(key)?.[1] ?? []));
    const gone = outboxes.names.filter((name) => !next.channels.has(name));
    await outboxes.change(
      gone,
      [...next.channels.values()].filter(({ name }) => named.has(name)),
    );
    await manager.expectNewChats();
    log.info({ changed: live, restart }, "the config was read again");
    if (restart.length > 0) log.warn({ restart }, "these keys hold from the next start on");
  }
}
