/**
 * Tiers: named policies. A tier says which model answers, what it may use and how it is told to behave.
 * This is the first form: the shipped tiers, whose model and prompt `switchboard.toml` may change.
 */

import type { Config, TierConfig } from "../config.ts";
import { SwitchboardError } from "../errors.ts";

/** Everything about a Claude process that a tier decides. Two equal policies can share a process. */
export interface Policy {
  tier: string;
  model: string;
  fallbackModel: string | null;
  systemPrompt: string;
  /** The only tools that the model sees; all of them run without being asked. */
  tools: readonly string[];
  /** Tools of which a call that may have been carried out before a crash is not run a second time. */
  once: readonly string[];
  /** What becomes of a message that comes while a turn runs, unless the chat says otherwise. */
  queueMode: NonNullable<TierConfig["queue_mode"]>;
}

/** Shipped tiers from the most to the least trusted: a group's sender can only lower what the chat allows. */
const ranks = ["admin", "partner", "family", "favorite", "bots", "unknown"] as const;
type TierName = (typeof ranks)[number];

/** Whose messages are accepted. `unknown` is refused without a process. */
export const admitted: readonly string[] = ranks.filter((tier) => tier !== "unknown");

const full = ["Read", "Write", "Edit", "Bash", "Glob", "Grep", "WebSearch", "WebFetch"];
const reading = ["Read", "Glob", "Grep", "WebSearch", "WebFetch"];

const manner =
  "You are a personal assistant whom people reach through a messenger. Everything you remember of this chat " +
  "is in the conversation. Answer in plain text as one writes in a messenger: short, without headings or tables. " +
  "What is in your reply is sent as it is.";

const shipped: Record<Exclude<TierName, "unknown">, Pick<Policy, "model" | "fallbackModel" | "tools">> = {
  admin: { model: "opus", fallbackModel: "sonnet", tools: full },
  partner: { model: "opus", fallbackModel: "sonnet", tools: full },
  family: { model: "sonnet", fallbackModel: "haiku", tools: reading },
  favorite: { model: "sonnet", fallbackModel: "haiku", tools: reading },
  bots: { model: "haiku", fallbackModel: null, tools: [] },
};

export type Tiers = ReadonlyMap<string, Policy>;

export function isTier(name: string): name is TierName {
  return ranks.some((tier) => tier === name);
}

/** The shipped tiers with the config's changes. Throws `invalid_config`. */
export function tiersOf(changes: Config["tiers"]): Tiers {
  for (const name of Object.keys(changes)) {
    if (!Object.hasOwn(shipped, name)) {
      throw new SwitchboardError(
        "invalid_config",
        `tiers.${name}: no such tier (allowed: ${admitted.join(", ")})`,
        {
          field: `tiers.${name}`,
        },
      );
    }
  }
  return new Map(
    Object.entries(shipped).map(([tier, base]) => {
      const change = changes[tier] ?? {};
      const model = change.model ?? base.model;
      // The CLI does not start when both are the same.
      if (change.fallback_model === model) {
        throw new SwitchboardError(
          "invalid_config",
          `tiers.${tier}.fallback_model: must differ from model (found "${model}")`,
          {
            field: `tiers.${tier}.fallback_model`,
          },
        );
      }
      const fallback = change.fallback_model ?? base.fallbackModel;
      const policy: Policy = {
        tier,
        model,
        fallbackModel: fallback === model ? null : fallback,
        systemPrompt: change.system_prompt ?? manner,
        tools: base.tools,
        once: onceOf(tier, base.tools, change.once ?? []),
        queueMode: change.queue_mode ?? "steer",
      };
      return [tier, policy];
    }),
  );
}

function onceOf(tier: string, tools: readonly string[], once: readonly string[]): readonly string[] {
  const unknown = once.find((name) => !tools.includes(name));
  if (unknown === undefined) return once;
  const allowed = tools.length === 0 ? "the tier has no tools" : `allowed: ${tools.join(", ")}`;
  throw new SwitchboardError(
    "invalid_config",
    `tiers.${tier}.once: ${unknown} is no tool of the tier (${allowed})`,
    {
      field: `tiers.${tier}.once`,
    },
  );
}

/** The less trusted of the chat's tier and the speaker's. */
export function effectiveTier(chatTier: string, senderTier: string | undefined): string {
  if (senderTier === undefined) return chatTier;
  return rank(senderTier) > rank(chatTier) ? senderTier : chatTier;
}

/** A name that is no tier ranks below all of them. */
function rank(tier: string): number {
  const names: readonly string[] = ranks;
  const at = names.indexOf(tier);
  return at === -1 ? ranks.length : at;
}
