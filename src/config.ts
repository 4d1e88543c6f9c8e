/**
 * `switchboard.toml`, validated. Every key has a default, so an empty or missing file is a valid config.
 * An error names the key, the value and what is allowed; nothing is ever ignored in silence.
 */

import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { SwitchboardError } from "./errors.ts";

const seconds = (fallback: number, max: number) => z.number().positive().max(max).default(fallback);

const tier = z.strictObject({
  /** A model's name or alias as Claude Code takes it. */
  model: z.string().min(1).optional(),
  /** Asked when the model is overloaded; must differ from `model`. */
  fallback_model: z.string().min(1).optional(),
  system_prompt: z.string().min(1).optional(),
  /** What becomes of a message that comes while a turn runs. Default: steer. */
  queue_mode: z.enum(["steer", "queue", "collect", "interrupt"]).optional(),
  /** Tools that are not run a second time with the same input when a crash has left open what came of it. */
  once: z.array(z.string().min(1)).optional(),
});

const schema = z.strictObject({
  log_level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
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
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Longest text of a message, in bytes of UTF-8. */
      text_bytes: z.int().min(1).max(10_000_000).default(262_144),
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
