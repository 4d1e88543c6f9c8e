/**
 * The registry's plain form, `sessions.json`: an object keyed by chat id. It is how contacts are taken elsewhere, and
 * how those of other bot hosts come here. Reading is all or nothing: what is not understood is named, with its line.
 *
 * - Keys of ours that are missing have their defaults; unknown keys are kept as they are and come out again.
 * - A time without a zone is local, as other hosts write it; we write UTC, to the millisecond.
 */

import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { SwitchboardError } from "../errors.ts";
import { chatIdSchema, idSchema, isWithin, line, maxDepth, tierSchema } from "./inbound.ts";
import { isSessionName, sessionNameBase } from "./names.ts";
import { admitted } from "./tiers.ts";

/** One chat, as the plain form tells it. */
export interface RegistryEntry {
  chatId: string;
  contact: Contact;
  /** A safe slug. */
  sessionName: string;
  /** Whatever the file says; only a transcript proves that it is one. */
  sessionId: string | null;
  /** In ms since the Unix epoch. */
  createdAt: number | null;
  lastMessageAt: number | null;
  /** The unknown keys, as JSON text; null when there are none. */
  extra: string | null;
}

interface Contact {
  name: string | null;
  tier: string;
  group: boolean;
}

/** As it is read: what the file does not say of a contact stays as it is here. */
export interface ReadEntry extends Omit<RegistryEntry, "contact"> {
  contact: { [Key in keyof Contact]?: Contact[Key] };
  /** What the file says; `sessionName` is made of it. */
  givenName: string;
}

/** Tiers by the names that the file has for them. */
export type TierMap = Readonly<Record<string, string>>;

const isoTime =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?$/i;

const time = z
  .string()
  .transform((text, context) => {
    const at = timeOf(text);
    if (at !== null) return at;
    context.addIssue({
      code: "custom",
      message: `is no time in ISO 8601 (found ${shown(text)})`,
      params: { hint: "Write it like 2026-01-31T08:30:00Z." },
    });
    return z.NEVER;
  })
  .nullish();

const entrySchema = z.looseObject({
  session_name: z.string(),
  contact_name: z.literal("").or(line).nullish(),
  tier: tierSchema.nullish(),
  session_id: z.literal("").or(idSchema).nullish(),
  created_at: time,
  last_message_time: time,
  group: z.boolean().nullish(),
});

const ownKeys = new Set(Object.keys(entrySchema.shape));

/** Entries that are read before others of this thread may go on. */
const bite = 500;

/**
 * Reads a whole file, in bites. Throws `invalid_registry` with the line, the key and what is wrong with it, or, for a tier
 * that does not exist here, `unknown_tier`.
 */
export async function parseRegistry(text: string, tiers: TierMap = {}): Promise<ReadEntry[]> {
  for (const [from, to] of Object.entries(tiers)) checkTierMap(from, to);
  const registry = parseObject(text);
  const lines = linesOfKeys(text);
  const entries: ReadEntry[] = [];
  const sessions = new Map<string, string>();
  for (const [chatId, value] of Object.entries(registry)) {
    if (entries.length % bite === 0) await setImmediate();
    const at = lines.get(chatId) ?? 1;
    const id = chatIdSchema.safeParse(chatId);
    if (!id.success) throw problem(id.error, shown(chatId), at);
    const entry = entryOf(chatId, value, tiers, at);
    entries.push(entry);
    if (entry.sessionId === null) continue;
    const other = sessions.get(entry.sessionId);
    if (other !== undefined) {
      throw invalid(
        `${shown(chatId)}.session_id`,
        `is that of ${shown(other)} too; a conversation is one chat's`,
        at,
      );
    }
    sessions.set(entry.sessionId, chatId);
  }
  return entries;
}

function entryOf(chatId: string, value: unknown, tiers: TierMap, at: number): ReadEntry {
  const where = shown(chatId);
  if (!isObject(value)) throw invalid(where, "must be an object with session_name, tier and so on", at);
  if (!isWithin(value, maxDepth)) throw invalid(where, `is nested deeper than ${maxDepth} levels`, at);
  const tier =
    typeof value.tier === "string" && Object.hasOwn(tiers, value.tier) ? tiers[value.tier] : value.tier;
  const parsed = entrySchema.safeParse({ ...value, tier });
  if (!parsed.success) throw problem(parsed.error, where, at);
  const { session_name, contact_name, session_id, created_at, last_message_time, group } = parsed.data;
  const extra = Object.entries(value).filter(([key]) => !ownKeys.has(key));
  return {
    chatId,
    contact: {
      ...(contact_name !== undefined && { name: contact_name || null }),
      ...(parsed.data.tier && { tier: parsed.data.tier }),
      ...(typeof group === "boolean" && { group }),
    },
    givenName: session_name,
    sessionName: isSessionName(session_name) ? session_name : sessionNameBase(session_name, chatId),
    sessionId: session_id || null,
    createdAt: created_at ?? null,
    lastMessageAt: last_message_time ?? null,
    extra: extra.length === 0 ? null : JSON.stringify(Object.fromEntries(extra)),
  };
}

/** The file's text in pieces, one for each chat. */
export async function* formatRegistry(
  entries: AsyncIterable<RegistryEntry>,
): AsyncGenerator<string, void, void> {
  let before = "{\n";
  for await (const entry of entries) {
    yield `${before}  ${JSON.stringify(entry.chatId)}: ${indented(entryText(entry))}`;
    before = ",\n";
  }
  yield before === "{\n" ? "{}\n" : "\n}\n";
}

function entryText(entry: RegistryEntry): string {
  const own = {
    session_name: entry.sessionName,
    contact_name: entry.contact.name,
    tier: entry.contact.tier,
    session_id: entry.sessionId,
    created_at: isoOrNull(entry.createdAt),
    last_message_time: isoOrNull(entry.lastMessageAt),
    group: entry.contact.group,
  };
  // Defined, not assigned: a key may be called `__proto__`.
  const extra: [string, unknown][] = entry.extra === null ? [] : Object.entries(JSON.parse(entry.extra));
  return JSON.stringify(Object.fromEntries([...Object.entries(own), ...extra]), null, 2);
}

function indented(text: string): string {
  return text.replaceAll("\n", "\n  ");
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** In ms since the Unix epoch; null for what is no time from 1900 to 9999, the 30th of February included. */
function timeOf(text: string): number | null {
  const [, year, month, day, hour, minute, second = "0", fraction = "", zone = ""] = isoTime.exec(text) ?? [];
  if (year === undefined) return null;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const parts = [
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    ms,
  ] as const;
  // What is out of range rolls over into the next month, day or hour: then it is not what was written.
  const utc = new Date(Date.UTC(...parts));
  if (utc.getUTCMonth() !== parts[1] || utc.getUTCDate() !== parts[2]) return null;
  if (utc.getUTCHours() !== parts[3] || utc.getUTCMinutes() !== parts[4] || utc.getUTCSeconds() !== parts[5])
    return null;
  if (zone === "") return within(new Date(...parts).getTime());
  if (zone.toUpperCase() === "Z") return within(utc.getTime());
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 23 || minutes > 59) return null;
  return within(utc.getTime() - (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000);
}

/** Years of four digits that a message could be of: others could not be written as they are read. */
function within(ms: number): number | null {
  return ms >= Date.UTC(1900, 0) && ms < Date.UTC(10_000, 0) ? ms : null;
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SwitchboardError(
      "invalid_registry",
      `the registry is not valid JSON: ${reasonOf(error, text)}`,
      {
        field: "body",
        hint,
      },
    );
  }
  if (isObject(value)) return value;
  throw new SwitchboardError("invalid_registry", "the registry must be an object keyed by chat id", {
    field: "body",
    hint,
  });
}

/** V8 tells a position; the end of a file that was cut it does not, so that is told here. */
function reasonOf(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return /line \d+/.test(message) ? message : `${message} (line ${text.split("\n").length})`;
}

/**
 * The line of each chat id in a text that is JSON. `JSON.parse` would keep the last of two equal keys without a word, so
 * equal chat ids are told apart here, and equal keys of a chat.
 */
function linesOfKeys(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let ofChat = new Set<string>();
  let line = 1;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "\n") line++;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    else if (char === '"') {
      const end = endOfString(text, at);
      if (depth <= 2 && isKey(text, end)) {
        const key = keyOf(text.slice(at, end));
        const first = lines.get(key);
        if (depth === 1 && first !== undefined)
          throw invalid(shown(key), `stands in the file twice, first in line ${first}`, line);
        if (depth === 2 && ofChat.has(key)) throw invalid(shown(key), "stands in one chat twice", line);
        if (depth === 1) {
          lines.set(key, line);
          ofChat = new Set();
        } else ofChat.add(key);
      }
      at = end - 1;
    }
  }
  return lines;
}

/** Behind the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let before = at;
    while (text[before - 1] === "\\") before--;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return text.length;
}

function isKey(text: string, end: number): boolean {
  let at = end;
  while (/\s/.test(text[at] ?? "")) at++;
  return text[at] === ":";
}

function keyOf(json: string): string {
  return json.includes("\\") ? JSON.parse(json) : json.slice(1, -1);
}

function checkTierMap(from: string, to: string): void {
  if (tierSchema.safeParse(to).success) return;
  throw new SwitchboardError(
    "unknown_tier",
    `mapTier: ${from} cannot become ${shown(to)}, which is no tier`,
    {
      field: "mapTier",
      hint: `Name one of ${admitted.join(", ")} or unknown.`,
    },
  );
}

const hint = "Nothing was imported. Mend the file, or export it anew, and import it again.";

function problem(error: z.ZodError, where: string, at: number): SwitchboardError {
  const issue = error.issues[0];
  const path = [where, ...(issue?.path.map(String) ?? [])].join(".");
  const params = issue?.code === "custom" ? issue.params : undefined;
  if (params?.code === "unknown_tier") {
    return new SwitchboardError("unknown_tier", `line ${at}: ${path}: ${issue?.message}`, {
      field: path,
      hint: "Nothing was imported. Say what the tier is here, with --map-tier theirs=ours (`mapTier` in the API).",
    });
  }
  return invalid(path, issue?.message ?? "is not valid", at, params?.hint);
}

function invalid(field: string, message: string, at: number, more?: string): SwitchboardError {
  return new SwitchboardError("invalid_registry", `line ${at}: ${field}: ${message}`, {
    field,
    hint: more === undefined ? hint : `${more} ${hint}`,
  });
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
