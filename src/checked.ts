/** What a config makes: its tiers and its channels, when all of it can hold on this machine. */

import { type Channel, channelsOf } from "./channels/index.ts";
import { systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { type Tiers, tiersOf } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { whyNoSandbox } from "./os/index.ts";

export interface Checked {
  tiers: Tiers;
  /** By name. */
  channels: ReadonlyMap<string, Channel>;
}

export interface CheckOptions {
  /** Channels that the embedder brings beside the config's. Default: none. */
  own?: readonly Channel[];
  /** What the model costs is known. */
  metered: boolean;
}

/** Throws `invalid_config`. */
export function checked(config: Config, { own = [], metered }: CheckOptions): Checked {
  if (!metered) checkUnmetered(config);
  const tiers = tiersOf(config);
  checkSandbox(tiers, config.path);
  return { tiers, channels: byName([...channelsOf(config.channels, systemClock), ...own]) };
}

/** A bound that nothing keeps is none. Throws `invalid_config`. */
function checkUnmetered({ budget, tiers }: Config): void {
  const bounds = [
    ...Object.keys(budget).map((key) => `budget.${key}`),
    ...Object.entries(tiers).flatMap(([name, tier]) =>
      tier.budget === undefined ? [] : [`tiers.${name}.budget`],
    ),
  ];
  const [field] = bounds;
  if (field === undefined) return;
  throw new SwitchboardError(
    "invalid_config",
    `${field}: nothing is metered with api.direct, so no budget can be kept`,
    {
      field,
      hint: "Take it out, and set a bound with the provider.",
    },
  );
}

/** Rather than at each message. Throws `invalid_config`. */
function checkSandbox(tiers: Tiers, path: string): void {
  const tier = [...tiers.all].find(({ sandbox }) => sandbox)?.tier;
  const why = tier === undefined ? null : whyNoSandbox(path);
  if (why === null) return;
  const field = `tiers.${tier}.sandbox`;
  throw new SwitchboardError("invalid_config", `${field}: there can be no sandbox: ${why}`, {
    field,
    hint: "Install bubblewrap and socat where `path` finds them, or take the setting out.",
  });
}

/** Throws `invalid_config` when two have the same name. */
function byName(channels: readonly Channel[]): ReadonlyMap<string, Channel> {
  const named = new Map<string, Channel>();
  for (const channel of channels) {
    if (named.has(channel.name)) {
      const field = `channels.${channel.name}`;
      throw new SwitchboardError("invalid_config", `${field}: two channels have this name`, { field });
    }
    named.set(channel.name, channel);
  }
  return named;
}
