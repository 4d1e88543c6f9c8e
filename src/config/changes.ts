/** What differs between two configs, and what of it can hold while the daemon runs. Pure. */

import { restartKeys } from "./keys.ts";
import type { Config } from "./schema.ts";

export interface Changes {
  /** The config that holds from now on: the new one, but for what needs a restart. */
  config: Config;
  /** Keys, in full, that hold from now on. */
  live: string[];
  /** Keys, in full, whose change holds from the next start on. */
  restart: string[];
}

/** `before`: the config in force. */
export function changesOf(before: Config, after: Config): Changes {
  const [old, wanted] = [leavesOf(before), leavesOf(after)];
  const changed = [...new Set([...old.keys(), ...wanted.keys()])].filter(
    (key) => JSON.stringify(old.get(key)) !== JSON.stringify(wanted.get(key)),
  );
  const later = restartKeys();
  const restart = changed.filter((key) => later.includes(key));
  const config = structuredClone(after);
  for (const key of restart) put(config, key, old.get(key));
  return { config, live: changed.filter((key) => !restart.includes(key)), restart };
}

/** Every value by its key in full; a list is one value. */
export function leavesOf(table: object, above = ""): Map<string, unknown> {
  return new Map(
    Object.entries(table).flatMap(([name, value]): Array<[string, unknown]> => {
      const key = above === "" ? name : `${above}.${name}`;
      if (value === undefined) return [];
      const isTable = typeof value === "object" && value !== null && !Array.isArray(value);
      return isTable ? [...leavesOf(value, key)] : [[key, value]];
    }),
  );
}

/** Keys that need a restart stand in no table that operators name. */
function put(config: Config, key: string, value: unknown): void {
  const names = key.split(".");
  const last = names.pop() ?? "";
  let table: object = config;
  for (const name of names) table = Reflect.get(table, name);
  if (value === undefined) Reflect.deleteProperty(table, last);
  else Reflect.set(table, last, value);
}
