/**
 * `switchboard.toml`, validated. Every key has a default, so an empty or missing file is a valid config.
 * An error names the key, the value and what is allowed; nothing is ever ignored in silence.
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { SwitchboardError } from "./errors.ts";

const seconds = (fallback: number, max: number) => z.number().positive().max(max).default(fallback);

const host = z
  .string()
  .regex(/^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+)$/i, { error: "must be *, a host's name or *. before one" });

const usd = z.number().positive().max(1_000_000);

const tier = z.strictObject({
  /** A model's name or alias as Claude Code takes it. */
  model: z.string().min(1).optional(),
  /** Asked when the model is overloaded; must differ from `model`. */
  fallback_model: z.string().min(1).optional(),
  /** `{{tier}}` and `{{assistant}}` in it are replaced. */
  system_prompt: z.string().min(1).optional(),
  /** Of a text file instead, relative to the config's folder. */
  system_prompt_file: z.string().min(1).optional(),
  /** The only tools that the model sees. */
  tools: z.array(z.string().min(1)).optional(),
  /** Folders beside the session's own that file tools may read, or also write; absolute. */
  read_folders: z.array(z.string().min(1)).optional(),
  write_folders: z.array(z.string().min(1)).optional(),
  /** Patterns of the commands that Bash may run, may run when a person allows it, and may not run. */
  commands: z
    .strictObject({
      allow: z.array(z.string().min(1)).optional(),
      ask: z.array(z.string().min(1)).optional(),
      deny: z.array(z.string().min(1)).optional(),
    })
    .optional(),
  /** Bash runs in a sandbox (bubblewrap and socat on Linux): it reads and writes only what the file tools may, and reaches only `hosts`. Default: false. */
  sandbox: z.boolean().optional(),
  /** Hosts that WebFetch and WebSearch may reach: a name, `*.name`, or `*`. Default: `*`. Private addresses are never reached. */
  hosts: z.array(host).optional(),
  /** Tools of which each call needs a person's yes. */
  ask: z.array(z.string().min(1)).optional(),
  /** USD that the model may cost in a day (UTC): all chats under this tier, and each of them. Default: no bound. */
  budget: z.strictObject({ usd_per_day: usd.optional(), usd_per_chat_day: usd.optional() }).optional(),
  /** As `limits.chat_messages_per_minute`, for this tier's chats. */
  messages_per_minute: z.int().min(1).max(1_000_000).optional(),
  /** As `processes.idle_seconds`, for this tier. */
  idle_seconds: z
    .number()
    .positive()
    .max(30 * 86_400)
    .optional(),
  /** What becomes of a message that comes while a turn runs. Default: steer. */
  queue_mode: z.enum(["steer", "queue", "collect", "interrupt"]).optional(),
  /** Tools that are not run a second time with the same input when a crash has left open what came of it. */
  once: z.array(z.string().min(1)).optional(),
});

const schema = z.strictObject({
  log_level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  /** What the assistant is called: `{{assistant}}` in a system prompt. */
  assistant: z.string().min(1).max(100).default("Switchboard"),
  /** PATH of the Claude processes and their tools. */
  path: z.string().min(1).default("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
  processes: z
    .strictObject({
      /** Most Claude processes at once. Default: as many as usually fit into `memory_mb`. */
      max: z.int().min(1).max(10_000).optional(),
      /** MiB that all processes may take together, their tools included. Default: 3/4 of the machine's, leaving 1 GiB at least. */
      memory_mb: z.int().min(256).max(100_000_000).optional(),
      /** MiB above which a process is closed when its turn has ended. */
      process_memory_mb: z.int().min(200).max(100_000_000).default(1024),
      /** MiB above which a process is killed, whatever it does. Default: twice `process_memory_mb`. */
      process_memory_max_mb: z.int().min(200).max(100_000_000).optional(),
      /** So many chats that were active within `idle_seconds` are resumed at a start, in room that nobody needs. */
      resume_recent: z.int().min(0).max(1000).default(16),
      /** Processes that are started ahead for chats that are yet to come, in room that nobody needs. */
      spares: z.int().min(0).max(100).default(1),
      /** Chats that may wait for a process; messages of others are refused then (429). */
      max_waiting: z.int().min(1).max(1_000_000).default(1000),
      /** Most starts at once. Default: the number of cores. */
      max_starts: z.int().min(1).max(256).optional(),
      /** A process that was idle for so long is closed; the conversation stays. */
      idle_seconds: seconds(2 * 3600, 30 * 86_400),
      /** A hung process is found after three of these at the latest. */
      health_check_seconds: seconds(10, 86_400),
      /** How long shutdown, close and restart let running turns end. */
      drain_seconds: seconds(30, 3600),
      /** After so long a stopped turn's process is killed. */
      stop_seconds: seconds(10, 600),
    })
    .refine(
      ({ process_memory_mb, process_memory_max_mb = Infinity }) => process_memory_mb <= process_memory_max_mb,
      {
        path: ["process_memory_max_mb"],
        error: "must not be less than process_memory_mb",
      },
    )
    .prefault({}),
  api: z
    .strictObject({
      /** How long passing trouble with the model's API is waited out before the message fails. */
      patience_seconds: seconds(600, 86_400),
      /**
       * For a provider that the gateway does not speak to: variables of the daemon's environment that Claude's processes are
       * given as they are. Nothing is metered or waited out then, and tools can read the credential.
       */
      direct: z
        .array(z.string().regex(/^[A-Z][A-Z0-9_]*$/, { error: "must be a variable's name" }))
        .min(1)
        .optional(),
    })
    .prefault({}),
  /** USD that the model may cost in a day (UTC), all chats together. Default: no bound. */
  budget: z.strictObject({ usd_per_day: usd.optional() }).prefault({}),
  /** By the beginning of a model's id, in USD for a million tokens, `web_search` for each: beside and before the built-in ones. */
  prices: z
    .record(
      z.string().min(1),
      z.strictObject({
        input: z.number().nonnegative(),
        output: z.number().nonnegative(),
        /** Default: 1.25 of `input`. */
        cache_write: z.number().nonnegative().optional(),
        /** Of a cache that is kept for an hour. Default: twice `input`. */
        cache_write_1h: z.number().nonnegative().optional(),
        /** Default: a tenth of `input`. */
        cache_read: z.number().nonnegative().optional(),
        /** Default: 0.01. */
        web_search: z.number().nonnegative().optional(),
      }),
    )
    .default({}),
  approvals: z
    .strictObject({
      /** How long a tool call waits for a person's yes before it is denied. */
      wait_seconds: seconds(1800, 3000),
      /** An operator's chat, in which such a question is asked, too, and answered. It must have written by a channel before. */
      chat: z.string().min(1).max(256).optional(),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Longest text of a message, in bytes of UTF-8. */
      text_bytes: z.int().min(1).max(10_000_000).default(262_144),
      /** Bytes of all attachments of a message; 0: none are taken. What each may have besides is fixed. */
      attachment_bytes: z.int().min(0).max(12_000_000).default(12_000_000),
      /** Messages a minute, a burst of as many at once included: of each chat, and of all. Default: no bound. */
      chat_messages_per_minute: z.int().min(1).max(1_000_000).optional(),
      messages_per_minute: z.int().min(1).max(1_000_000).optional(),
    })
    .prefault({}),
  /** By name; what each of them holds depends on its type. */
  channels: z.record(z.string(), z.unknown()).default({}),
  /** Changes to the shipped tiers. */
  tiers: z.record(z.string(), tier).default({}),
});

export type Config = z.output<typeof schema>;
export type TierConfig = z.output<typeof tier>;

/** The config when there is no file. */
export function defaultConfig(): Config {
  return schema.parse({});
}

/** Reads and validates the file; a missing one gives the defaults. Throws `invalid_config`. */
export function loadConfig(file: string): Config {
  const config = readConfig(file);
  for (const [name, tier] of Object.entries(config.tiers)) readPrompt(dirname(file), name, tier);
  return config;
}

/** Puts the text of a prompt's file where the prompt is. */
function readPrompt(folder: string, name: string, tier: TierConfig): void {
  if (tier.system_prompt_file === undefined) return;
  const field = `tiers.${name}.system_prompt_file`;
  const problem = (what: string, cause?: unknown) =>
    new SwitchboardError("invalid_config", `${field}: ${what}`, { field, cause });
  if (tier.system_prompt !== undefined) throw problem("system_prompt is set, too; keep one of them");
  const path = resolve(folder, tier.system_prompt_file);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw problem(`${path} cannot be read: ${String(error)}`, error);
  }
  if (text.trim() === "") throw problem(`${path} is empty`);
  tier.system_prompt = text;
  delete tier.system_prompt_file;
}

function readConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return defaultConfig();
    throw new SwitchboardError("invalid_config", `${file} cannot be read: ${String(error)}`, {
      cause: error,
    });
  }
  return parseConfig(text, file);
}

/** `file` is only named in errors. Throws `invalid_config`. */
export function parseConfig(text: string, file: string): Config {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n", 1)[0];
    throw new SwitchboardError("invalid_config", `${file}:${error.line}: ${reason}`, { cause: error });
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const path = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    const found = valueAt(raw, path);
    const key = path.join(".");
    return { key, text: `${key}: ${issue.message}${found === undefined ? "" : ` (found ${shown(found)})`}` };
  });
  throw new SwitchboardError("invalid_config", `${file}: ${problems.map(({ text }) => text).join("; ")}`, {
    field: problems[0]?.key ?? "",
  });
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return typeof value === "object" ? undefined : value;
}
