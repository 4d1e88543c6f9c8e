/** What the config says to the sessions, in the units that they reckon in. Pure. */

import type { Config } from "../config.ts";
import { listPrices, type Price, type Prices } from "../gateway/index.ts";
import type { ApprovalsOptions } from "./approvals.ts";
import type { BudgetsOptions } from "./budgets.ts";
import { newcomerBytes, type Room } from "./pool.ts";
import type { Rates } from "./rate.ts";
import type { Surroundings } from "./session.ts";

export interface Settings {
  room: Room;
  limits: Surroundings["limits"];
  /** Chats that may wait for a process; others are refused then. */
  maxWaiting: number;
  /** Processes that are kept for new chats. */
  spares: number;
  money: Pick<BudgetsOptions, "prices" | "usdPerDay">;
  asking: Pick<ApprovalsOptions, "waitMs" | "chatId">;
  rates: Rates;
}

const mebibyte = 2 ** 20;

/** `machineBytes`: the memory that there is for everything. */
export function settingsOf(config: Config, machineBytes: number): Settings {
  const { processes, approvals, limits } = config;
  const { memory_mb, process_memory_mb, process_memory_max_mb = 2 * process_memory_mb } = processes;
  const memoryBytes = memory_mb === undefined ? shareOf(machineBytes) : memory_mb * mebibyte;
  return {
    room: {
      memoryBytes,
      maxProcesses: processes.max ?? Math.max(1, Math.floor(memoryBytes / newcomerBytes)),
    },
    limits: {
      idleMs: processes.idle_seconds * 1000,
      processBytes: process_memory_mb * mebibyte,
      processBytesMax: Math.min(memoryBytes, process_memory_max_mb * mebibyte),
      drainMs: processes.drain_seconds * 1000,
      stopMs: processes.stop_seconds * 1000,
    },
    maxWaiting: processes.max_waiting,
    spares: processes.spares,
    money: { prices: pricesOf(config.prices), usdPerDay: config.budget.usd_per_day ?? null },
    asking: { waitMs: approvals.wait_seconds * 1000, chatId: approvals.chat ?? null },
    rates: { chat: limits.chat_messages_per_minute ?? null, all: limits.messages_per_minute ?? null },
  };
}

/** What is left of the machine's memory when a quarter of it, and 1 GiB at least, is kept for everything else. */
function shareOf(machineBytes: number): number {
  return Math.max(newcomerBytes, Math.floor(machineBytes - Math.max(1024 * mebibyte, machineBytes / 4)));
}

/** The config's prices, and behind them the built-in ones. */
function pricesOf(own: Config["prices"]): Prices {
  const named = Object.entries(own).map(([model, { input, output, ...rest }]): [string, Price] => [
    model,
    {
      input,
      output,
      cacheWrite: rest.cache_write ?? input * 1.25,
      cacheWrite1h: rest.cache_write_1h ?? input * 2,
      cacheRead: rest.cache_read ?? input / 10,
      webSearch: rest.web_search ?? 0.01,
    },
  ]);
  return [Object.fromEntries(named), listPrices];
}
