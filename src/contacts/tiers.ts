/**
 * Tiers: named policies. A tier says which model answers, what it may do and how it is told to behave. These are the
 * shipped ones; `switchboard.toml` may change everything about them but their rank.
 */

import { isAbsolute } from "node:path";
import type { Config, TierConfig } from "../config.ts";
import { SwitchboardError } from "../errors.ts";
import type { Rules } from "./gate.ts";

/** Everything about a Claude process that tiers decide. Chats with the very same policy can share a spare process. */
export interface Policy {
  /** The least trusted of those that have a say. */
  tier: string;
  model: string;
  fallbackModel: string | null;
  systemPrompt: string;
  /** The only tools that the model sees. */
  tools: readonly string[];
  /** Of each tier that has a say: a call must satisfy them all. */
  rules: readonly Rules[];
  /** Bash runs in a sandbox: what its commands touch is bounded by the system, whatever they are. */
  sandbox: boolean;
  /** Tools of which a call that may have been carried out before a crash is not run a second time. */
  once: readonly string[];
  /** What becomes of a message that comes while a turn runs, unless the chat says otherwise. */
  queueMode: NonNullable<TierConfig["queue_mode"]>;
  /** USD in a day (UTC), of all chats under it and of each; null: no bound. */
  budget: { tierUsd: number | null; chatUsd: number | null };
  /** Messages a minute of each chat; null: as everywhere. */
  messagesPerMinute: number | null;
  /** ms after which an idle process is closed; null: as everywhere. */
  idleMs: number | null;
  /** ms for which ended messages, events, and conversations of chats that rest are kept; null: for ever. */
  keep: { messagesMs: number | null; eventsMs: number | null; conversationsMs: number | null };
}

/** Shipped tiers from the most to the least trusted: a group's sender can only lower what the chat allows. */
const ranks = ["admin", "partner", "family", "favorite", "bots", "unknown"] as const;
type TierName = (typeof ranks)[number];

/** Whose messages are accepted. `unknown` is refused without a process. */
export const admitted: readonly string[] = ranks.filter((tier) => tier !== "unknown");

/** Those that the gate knows how to judge. */
const judged = ["Read", "Write", "Edit", "Bash", "Glob", "Grep", "WebSearch", "WebFetch"];
const reading = ["Read", "Glob", "Grep", "WebSearch", "WebFetch"];

const manner =
  "You are {{assistant}}, a personal assistant whom people reach through a messenger. Everything you remember of this " +
  "chat is in the conversation. Answer in plain text as one writes in a messenger: short, without headings or tables. " +
  "What is in your reply is sent as it is.";

type Shipped = Pick<Policy, "model" | "fallbackModel" | "tools"> & { commands: readonly string[] };

const shipped: Record<Exclude<TierName, "unknown">, Shipped> = {
  admin: { model: "opus", fallbackModel: "sonnet", tools: judged, commands: ["*"] },
  partner: { model: "opus", fallbackModel: "sonnet", tools: judged, commands: ["*"] },
  family: { model: "sonnet", fallbackModel: "haiku", tools: reading, commands: [] },
  favorite: { model: "sonnet", fallbackModel: "haiku", tools: reading, commands: [] },
  bots: { model: "haiku", fallbackModel: null, tools: [], commands: [] },
};

export function isTier(name: string): name is TierName {
  return ranks.some((tier) => tier === name);
}

/** The policies, and what two of them have in common. */
export class Tiers {
  #policies: ReadonlyMap<string, Policy>;
  /** Of each pair once: processes and spares are told apart by the policy's identity. */
  readonly #common = new Map<Policy, Map<Policy, Policy>>();

  constructor(policies: ReadonlyMap<string, Policy>) {
    this.#policies = policies;
  }

  get all(): Iterable<Policy> {
    return this.#policies.values();
  }

  /**
   * Takes over what another config says. As long as a process would be started and judged alike the policy stays the same
   * object, so that what runs under it goes on, with what else has changed; otherwise it is another.
   */
  adopt(next: Tiers): void {
    const before = this.#common.entries().toArray();
    const known = this.#policies;
    this.#policies = new Map(
      [...next.#policies].map(([tier, policy]) => [tier, kept(known.get(tier), policy)]),
    );
    this.#common.clear();
    for (const [chat, commons] of before) {
      for (const [sender, common] of commons) {
        if (!this.#has(chat) || !this.#has(sender)) continue;
        const ofChat = this.#common.get(chat) ?? new Map<Policy, Policy>();
        this.#common.set(chat, ofChat.set(sender, kept(common, commonOf(chat, sender))));
      }
    }
  }

  /** Whether a process that was started under the policy is what one that is started now would be. */
  isCurrent(policy: Policy): boolean {
    const commons = this.#common.values().flatMap((ofChat) => ofChat.values());
    return this.#has(policy) || commons.some((common) => common === policy);
  }

  #has(policy: Policy): boolean {
    return this.get(policy.tier) === policy;
  }

  /** Undefined: its messages are refused. */
  get(tier: string): Policy | undefined {
    return this.#policies.get(tier);
  }

  /** What holds for a message: what both the chat's tier and the speaker's allow. Undefined: it is refused. */
  for(chatTier: string, senderTier: string | undefined): Policy | undefined {
    const chat = this.get(chatTier);
    const sender = this.get(senderTier ?? chatTier);
    if (chat === undefined || sender === undefined || chat === sender) return chat && sender;
    const known = this.#common.get(chat)?.get(sender);
    if (known !== undefined) return known;
    const common = commonOf(chat, sender);
    const ofChat = this.#common.get(chat) ?? new Map<Policy, Policy>();
    this.#common.set(chat, ofChat.set(sender, common));
    return common;
  }
}

/** All that a process is started with and that its calls are judged by. */
function fingerprint({
  tier,
  model,
  fallbackModel,
  systemPrompt,
  tools,
  rules,
  sandbox,
  once,
}: Policy): string {
  return JSON.stringify({ tier, model, fallbackModel, systemPrompt, tools, rules, sandbox, once });
}

function kept(known: Policy | undefined, next: Policy): Policy {
  return known !== undefined && fingerprint(known) === fingerprint(next) ? Object.assign(known, next) : next;
}

/** The less trusted one, held to the rules of both. */
function commonOf(a: Policy, b: Policy): Policy {
  const [high, low] = rank(a.tier) <= rank(b.tier) ? [a, b] : [b, a];
  const tools = low.tools.filter((tool) => high.tools.includes(tool));
  return {
    ...low,
    tools,
    rules: [...low.rules, ...high.rules],
    sandbox: low.sandbox || high.sandbox,
    once: tools.filter((tool) => low.once.includes(tool) || high.once.includes(tool)),
  };
}

/** The shipped tiers with the config's changes. Throws `invalid_config`. */
export function tiersOf({ tiers: changes, assistant }: Pick<Config, "tiers" | "assistant">): Tiers {
  for (const name of Object.keys(changes)) {
    if (!Object.hasOwn(shipped, name))
      throw invalid(`tiers.${name}`, `no such tier (allowed: ${admitted.join(", ")})`);
  }
  return new Tiers(
    new Map(
      Object.entries(shipped).map(([tier, base]) => [
        tier,
        policyOf(tier, base, changes[tier] ?? {}, assistant),
      ]),
    ),
  );
}

function policyOf(tier: string, base: Shipped, change: TierConfig, assistant: string): Policy {
  const field = (key: string) => `tiers.${tier}.${key}`;
  const model = change.model ?? base.model;
  // The CLI does not start when both are the same.
  if (change.fallback_model === model)
    throw invalid(field("fallback_model"), `must differ from model (found "${model}")`);
  const fallback = change.fallback_model ?? base.fallbackModel;
  const tools = change.tools ?? base.tools;
  checkNames(field("tools"), tools, judged, "is no tool that rules exist for");
  const noTools = tools.length === 0 ? "the tier has no tools" : undefined;
  for (const key of ["once", "ask"] as const)
    checkNames(field(key), change[key] ?? [], tools, "is no tool of the tier", noTools);
  for (const key of ["read_folders", "write_folders"] as const) {
    const relative = change[key]?.find((folder) => !isAbsolute(folder));
    if (relative !== undefined) throw invalid(field(key), `${relative} is no absolute path`);
  }
  return {
    tier,
    model,
    fallbackModel: fallback === model ? null : fallback,
    systemPrompt: filledIn(field("system_prompt"), change.system_prompt ?? manner, { tier, assistant }),
    tools,
    rules: [
      {
        tier,
        readFolders: change.read_folders ?? [],
        writeFolders: change.write_folders ?? [],
        commands: {
          allow: change.commands?.allow ?? base.commands,
          ask: change.commands?.ask ?? [],
          deny: change.commands?.deny ?? [],
        },
        hosts: change.hosts ?? ["*"],
        ask: change.ask ?? [],
      },
    ],
    sandbox: change.sandbox ?? false,
    once: change.once ?? [],
    queueMode: change.queue_mode ?? "steer",
    budget: {
      tierUsd: change.budget?.usd_per_day ?? null,
      chatUsd: change.budget?.usd_per_chat_day ?? null,
    },
    messagesPerMinute: change.messages_per_minute ?? null,
    idleMs: change.idle_seconds === undefined ? null : change.idle_seconds * 1000,
    keep: {
      messagesMs: daysMs(change.keep?.messages_days),
      eventsMs: daysMs(change.keep?.events_days),
      conversationsMs: daysMs(change.keep?.transcripts_days),
    },
  };
}

function daysMs(days: number | undefined): number | null {
  return days === undefined ? null : days * 86_400_000;
}

function checkNames(
  field: string,
  names: readonly string[],
  known: readonly string[],
  wrong: string,
  allowed = `allowed: ${known.join(", ")}`,
): void {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(field, `${unknown} ${wrong} (${allowed})`);
}

/** A prompt with its `{{name}}`s replaced. */
function filledIn(field: string, prompt: string, values: Record<string, string>): string {
  return prompt.replace(/\{\{\s*(\w*)\s*\}\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined)
      throw invalid(field, `nothing is known as ${whole} (allowed: ${Object.keys(values).join(", ")})`);
    return value;
  });
}

function invalid(field: string, what: string): SwitchboardError {
  return new SwitchboardError("invalid_config", `${field}: ${what}`, { field });
}

/** A name that is no tier ranks below all of them. */
function rank(tier: string): number {
  const names: readonly string[] = ranks;
  const at = names.indexOf(tier);
  return at === -1 ? ranks.length : at;
}
