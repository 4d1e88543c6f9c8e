/** The keys of `switchboard.toml` with what the schema says of each: read off the schema, so that nothing goes stale. */

import { z } from "zod";
import { configSchema } from "./schema.ts";

export interface Key {
  /** As in the file, below its section. */
  name: string;
  description: string;
  /** Undefined: it has no fixed one, and the description says what holds. */
  default: unknown;
  /** Of a key without a default. */
  example: unknown;
  /** A change of it holds from the next start on. */
  restart: boolean;
  /** Its value is shown to nobody. */
  secret: boolean;
}

export interface Section {
  /** As in the file; `""`: what stands before all sections. */
  name: string;
  description: string;
  /** A name that operators choose, below the section: there may be many such, and none by default. */
  example: string | null;
  keys: Key[];
}

/** What a JSON schema says that is looked at here, our own marks among it. */
const said = z.object({
  description: z.string().default(""),
  default: z.unknown().optional(),
  examples: z.array(z.unknown()).default([]),
  restart: z.boolean().default(false),
  secret: z.boolean().default(false),
});
const node = said.extend({
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
});

/** `channel`: what stands in a channel's table. The keys outside of all sections come first, as TOML wants it. */
export function sectionsOf(channel: z.ZodType): Section[] {
  const entries = Object.entries(propertiesOf(configSchema));
  const tables = entries.filter(([, schema]) => isTable(schema));
  const bare = entries.filter(([, schema]) => !isTable(schema));
  const root = { name: "", description: "", example: null, keys: bare.map(keyOf) };
  return [root, ...tables.map(([name, schema]) => sectionOf(name, schema, channel))];
}

/** By their full names: a change of them holds from the next start on. */
export function restartKeys(): string[] {
  return sectionsOf(z.object({})).flatMap(({ name, keys }) =>
    keys.filter(({ restart }) => restart).map((key) => (name === "" ? key.name : `${name}.${key.name}`)),
  );
}

function propertiesOf(schema: z.ZodType): Record<string, unknown> {
  return node.parse(z.toJSONSchema(schema, { io: "input" })).properties ?? {};
}

function isTable(schema: unknown): boolean {
  const { properties, additionalProperties } = node.parse(schema);
  return properties !== undefined || typeof additionalProperties === "object";
}

function sectionOf(name: string, schema: unknown, channel: z.ZodType): Section {
  const { description, properties, additionalProperties, examples } = node.parse(schema);
  if (properties !== undefined)
    return { name, description, example: null, keys: Object.entries(properties).map(keyOf) };
  // Each type of channel has keys of its own, which the config's schema leaves to it.
  const inner =
    name === "channels" ? propertiesOf(channel) : (node.parse(additionalProperties).properties ?? {});
  return { name, description, example: String(examples[0]), keys: Object.entries(inner).map(keyOf) };
}

function keyOf([name, schema]: [string, unknown]): Key {
  const { description, default: fallback, examples, restart, secret } = said.parse(schema);
  return { name, description, default: fallback, example: examples[0], restart, secret };
}
