/**
 * Composes ledger, gateway, Claude and sessions, by hand and in one place.
 * It installs no signal handlers and reads no environment; whoever embeds it decides about both.
 */

import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Outboxes } from "./channels/index.ts";
import { checked } from "./checked.ts";
import { claudeCode } from "./claude/index.ts";
import { systemClock } from "./clock.ts";
import { defaultConfig } from "./config.ts";
import { admitted } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { logEvents } from "./event-log.ts";
import { storage } from "./failures.ts";
import { Feed } from "./feed.ts";
import { startGateway } from "./gateway/index.ts";
import { openSqliteLedger } from "./ledger/index.ts";
import { silent } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { startOffline } from "./offline/index.ts";
import { OpenSwitchboard } from "./opened.ts";
import { type HomeHolder, homeId, lockHome, memoryOfTrees, sweep, totalMemory } from "./os/index.ts";
import { Overview } from "./overview.ts";
import {
  Approvals,
  Budgets,
  clearForgotten,
  clearLeft,
  Manager,
  Pool,
  RateLimit,
  Retention,
  Spares,
  settingsOf,
  sweepImports,
} from "./sessions/index.ts";
import type { OpenOptions, Switchboard } from "./switchboard.ts";
import { iso } from "./views.ts";

const anthropicApi = "https://api.anthropic.com";

/**
 * Opens a home: takes its lock, ends what a crashed daemon left behind, and goes on with open messages.
 *
 * @example
 * const switchboard = await open({ home: "./state" });
 * const { message } = await switchboard.receive("telegram:12345", { text: "Hello", contact: { tier: "family" } });
 * const { reply } = await switchboard.settled(message.id, { timeoutMs: 60_000 });
 *
 * Errors: `home_in_use` (another one runs on this home), `invalid_config`, `storage_failed`, `storage_full`.
 */
export async function open(options: OpenOptions): Promise<Switchboard> {
  const { upstream = "offline", config = defaultConfig(), log = silent } = options;
  const clock = systemClock;
  const home = resolve(options.home);
  const own = options.channels ?? [];
  const { tiers, channels } = checked(config, {
    own,
    metered: upstream === "offline" || !("environment" in upstream),
  });
  // What has been opened, to be closed in reverse order: at the end, or when the next step fails.
  const opened: Array<() => Promise<void> | void> = [];
  const hurry = new AbortController();
  const closeAll = async () => {
    for (const close of opened.reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ error: String(error) }, "something could not be closed");
      }
    }
  };
  try {
    await makeHome(home);
    const lock = await lockHome(home, { clock }).catch((error: Error) => {
      throw new SwitchboardError("storage_failed", error.message, { cause: error });
    });
    if ("heldBy" in lock) throw inUse(home, lock.heldBy);
    opened.push(() => lock.release());

    const id = await homeId(home);
    // Under the lock whatever carries this home's mark is left over; it must be gone before any session is resumed.
    await sweep(id, { clock, log });
    const ledger = await storage(openSqliteLedger({ path: join(home, "switchboard.db") }));
    opened.push(() => ledger.close());

    const offline = upstream === "offline" ? await startOffline() : null;
    if (offline !== null) opened.push(() => offline.close());
    const direct = upstream !== "offline" && "environment" in upstream ? upstream.environment : null;
    const api = upstream === "offline" || "environment" in upstream ? {} : upstream;
    const baseUrl = offline?.url ?? api.baseUrl ?? anthropicApi;
    const times = { patienceMs: config.api.patience_seconds * 1000 };
    const gateway = await startGateway({ upstream: { ...api, baseUrl }, clock, log, times });
    opened.push(() => gateway.close());

    logEvents(ledger, log);
    const feed = new Feed(ledger);
    const metrics = new Metrics(ledger, {
      host: () => switchboard.host,
      census: () => manager.census(),
    });
    const spaces = join(home, "spaces");
    const folders = {
      home,
      spaces,
      links: join(home, "chats"),
      transcripts: join(home, "transcripts"),
      running: join(home, "running"),
    };
    const { processes } = config;
    const settings = settingsOf(config, totalMemory());
    const { limits, maxWaiting } = settings;
    const maxStarts = processes.max_starts ?? availableParallelism();
    const pool = new Pool({ ...settings.room, maxStarts }, clock);
    const claude = claudeCode({ homeId: id, path: config.path, direct, clock });
    const spares = new Spares({ count: settings.spares, claude, gateway, pool, clock, log, folders });
    const budgets = await storage(
      Budgets.open({
        ...{ ledger, clock, log, hurry: hurry.signal },
        ...settings.money,
        onSpent: (spending) => metrics.onSpent(spending),
      }),
    );
    opened.push(() => budgets.settled());
    const approvals = new Approvals({ ledger, clock, ...settings.asking });
    const manager = new Manager({
      ledger,
      approvals,
      budgets,
      claude,
      gateway,
      pool,
      spares,
      clock,
      log,
      tiers,
      admitted,
      hostId: id,
      folders,
      maxWaiting,
      weigh: memoryOfTrees,
      limits,
      healthCheckMs: processes.health_check_seconds * 1000,
      hurry: hurry.signal,
      onText: (piece) => {
        feed.text(piece);
        metrics.onText(piece.turnId);
      },
    });
    opened.push(() => feed.close());
    const outboxes = new Outboxes({
      ...{ ledger, clock, log, hurry: hurry.signal },
      hostOf: (channel) => switchboard.hostOf(channel),
    });
    // After the turns have ended: their replies still go out, or wait for the next start.
    opened.push(() => outboxes.close());
    opened.push(() => manager.drain());
    const importPlaces = { ledger, spaces, imports: join(home, "imports") };
    await storage(sweepImports(importPlaces));
    await clearLeft(folders);
    await storage(clearForgotten(ledger, folders));
    await storage(manager.recover());
    await storage(manager.expectNewChats());
    const overview = new Overview({ ledger, manager, pool, clock, log });
    opened.push(() => overview.close());
    const retention = new Retention({
      ...{ ledger, manager, tiers, folders, clock, log },
      onRemoved: (removed) => metrics.onRemoved(removed),
    });
    opened.push(() => retention.close());
    void retention.run();
    const switchboard: OpenSwitchboard = new OpenSwitchboard({
      upstream:
        direct !== null
          ? { kind: "direct" }
          : offline === null
            ? { kind: "api", baseUrl }
            : { kind: "offline" },
      since: clock.now(),
      clock,
      ledger,
      manager,
      approvals,
      budgets,
      gateway,
      pool,
      spares,
      folders,
      importPlaces,
      feed,
      metrics,
      overview,
      hurry,
      log,
      config,
      ownChannels: own,
      tiers,
      rateLimit: new RateLimit(settings.rates, clock),
      outboxes,
      closeAll,
    });
    await storage(outboxes.start(channels.values()));
    manager
      .resumeRecent(processes.resume_recent)
      .catch((error) => log.warn({ error: String(error) }, "the latest chats were not resumed"));
    return switchboard;
  } catch (error) {
    hurry.abort();
    await closeAll();
    throw error;
  }
}

async function makeHome(home: string): Promise<void> {
  try {
    await makeFolder(home);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchboardError("storage_failed", `the home ${home} cannot be made: ${reason}`, {
      field: "home",
      hint: "Name a folder that can be written, with --home or SWITCHBOARD_HOME.",
      cause: error,
    });
  }
}

/** With its parents. Node's own way to do that never ends where a file system denies that it could (measured: /proc). */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    if (code !== "ENOENT") throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

function inUse(home: string, { pid, since }: HomeHolder): SwitchboardError {
  return new SwitchboardError(
    "home_in_use",
    `Switchboard runs on ${home} already: process ${pid}, since ${iso(since)}`,
    {
      field: "home",
      hint: "Use that one, end it with `switchboard down`, or choose another home.",
    },
  );
}
