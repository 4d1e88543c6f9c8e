/**
 * `switchboard.toml`, validated. Every key has a default, so an empty or missing file is a valid config.
 * An error names the key, the value and what is allowed; nothing is ever ignored in silence.
 */

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { type Config, configSchema, type TierConfig } from "./config/schema.ts";
import { SwitchboardError } from "./errors.ts";

export type { Config, TierConfig } from "./config/schema.ts";

/** The config when there is no file. */
export function defaultConfig(): Config {
  return configSchema.parse({});
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
  const result = configSchema.safeParse(raw);
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
