/** What keeps a daemon up, whichever manager does it: what it runs, and the bounds that follow from the config. */

import { type Config, loadConfig } from "../config.ts";
import { totalMemory } from "../os/index.ts";
import { settingsOf } from "../sessions/index.ts";
import { configFile } from "./config-file.ts";

export interface ServicePlan {
  /** Of the service; there may be several, each on a home of its own. */
  name: string;
  home: string;
  /** A program and its arguments, the program by its absolute path. */
  command: readonly string[];
  /** For the whole machine, as this user; null: for who installs it, while they are logged in or linger. */
  systemUser: string | null;
  /** MiB of the daemon with all its processes: from the first on they are slowed down, with the second some are killed. */
  memoryHighMb: number;
  memoryMaxMb: number;
  /** Within which an orderly end is over. */
  stopSeconds: number;
}

/** MiB for the daemon itself, beside the processes' share. */
const daemonMb = 512;

/** Seconds for all of an end that has a limit of its own: closing processes, replies under way, the ledger. */
const endMargin = 30;

const mebibyte = 2 ** 20;

export type ServiceWish = Pick<ServicePlan, "name" | "home" | "command" | "systemUser">;

/** By the home's config, on this machine. Throws `invalid_config`. */
export function planFor(wish: ServiceWish): ServicePlan {
  return servicePlan(wish, loadConfig(configFile(wish.home)), totalMemory());
}

/** `machineBytes`: the memory that there is for everything. Pure. */
export function servicePlan(wish: ServiceWish, config: Config, machineBytes: number): ServicePlan {
  const { room, limits } = settingsOf(config, machineBytes);
  const high = room.memoryBytes / mebibyte + daemonMb;
  // The pool kills a process that has grown too large; the system's limit is for what comes faster than that.
  const max = Math.min(high + limits.processBytesMax / mebibyte, Math.max(high, machineBytes / mebibyte));
  return {
    ...wish,
    memoryHighMb: Math.round(high),
    memoryMaxMb: Math.round(max),
    stopSeconds: Math.ceil((limits.drainMs + limits.stopMs) / 1000) + endMargin,
  };
}

/** Where the service finds the credential: lines of the form NAME=value. */
export function environmentFile(home: string): string {
  return `${home}/environment`;
}

/** Stands in each file that `install` writes: others are not touched. */
export const signature = "Written by `switchboard service install`, which may write it anew.";
