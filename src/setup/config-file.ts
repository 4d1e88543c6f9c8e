/** The home's `switchboard.toml` from outside a daemon: made for the first time, and explained. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { webhookSchema } from "../channels/index.ts";
import { checked } from "../checked.ts";
import { type Explained, explain, withoutSecrets } from "../config/explain.ts";
import { sectionsOf } from "../config/keys.ts";
import { templateOf } from "../config/template.ts";
import { loadConfig, parseConfig } from "../config.ts";

export { withoutSecrets };

/** All that may stand in the file. */
const sections = sectionsOf(webhookSchema);

export const template = templateOf(sections);

export function configFile(home: string): string {
  return join(home, "switchboard.toml");
}

/** The file with every key in it, for its owner's eyes: secrets will stand there. False: there is one already. */
export function writeTemplate(home: string): boolean {
  try {
    writeFileSync(configFile(home), template, { mode: 0o600, flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Every value that holds. Throws `invalid_config` for what a start would not take. */
export function explainHome(home: string): Explained[] {
  const file = configFile(home);
  const config = loadConfig(file);
  checked(config, { metered: config.api.direct === undefined });
  const text = textOf(file);
  // As it stands there: a prompt's file by its name.
  return explain(parseConfig(text, file), text, sections);
}

/** The variables that Claude's processes are to be given as they are. */
export function directIn(home: string): string[] | undefined {
  return loadConfig(configFile(home)).api.direct;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // It may be missing; whatever else ails it was told when it was loaded.
    return "";
  }
}
