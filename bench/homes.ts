/**
 * Homes with a past. The ledger makes its own file; then what real traffic leaves (pattern.ts) is multiplied by SQL, in
 * the order in which traffic would have brought it: the chats write in turn. Only so do a chat's rows lie as far apart
 * as they do in life, and indexes have the shape that inserts give them.
 */

import { closeSync, createReadStream, fsyncSync, mkdirSync, openSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { finished } from "node:stream/promises";
import { setImmediate as breathe } from "node:timers/promises";
import { openDatabase } from "../src/ledger/sqlite/database.ts";
import type { Pattern, PatternRow, PatternRows } from "./pattern.ts";
import type { Run } from "./run.ts";

/** What a home has seen; all of it answered. Each chat has `messages / chats` messages, and all are called Anna. */
export interface Past {
  chats: number;
  messages: number;
}

/** So many messages of a chat a process takes, then it is closed. */
const messagesPerProcess = 10;
/** ms from one message to the next, of all chats: ten million are a year's. */
const pace = 3000;
/** What one round of statements writes, in chats or messages: a second or two, which nothing ends early. */
const blockSize = 20_000;

/** The id of the chat with this number, from 0 to a hundred million. They come in no order, like those of a channel. */
export function chatIdOf(chat: number): string {
  return `telegram:${((chat + 1) * 61_803_397) % 9_999_999_967}`;
}
/** The same in SQL. The modulus is a prime, so that no two are equal. */
const chatId = "'telegram:' || ((chat + 1) * 61803397 % 9999999967)";
const sessionId = "printf('%08x-0000-4000-8000-%012x', (chat + 1) * 2654435761 % 4294967291, chat)";
const uuid = `lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2)
  || '-8' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`;

/** Bytes on disk, as measured: a chat with one message takes 3.5 kB, each further message of it 2.4. */
export function sizeOf({ chats, messages }: Past): number {
  return chats * 3500 + (messages - chats) * 2400;
}

export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Throws when they do not fit on the folder's disk with a tenth to spare. */
export function requireRoom(folder: string, pasts: readonly Past[]): void {
  const needed = 1.1 * pasts.reduce((sum, past) => sum + sizeOf(past), 0);
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new Error(
    `${sizeText(needed)} are needed, the disk of ${folder} has ${sizeText(free)} free: name another one with --dir, or fewer --chats and --messages`,
  );
}

/** Makes the folder and fills its ledger, with up to a quarter of the machine's memory. Until then a crash leaves it damaged. */
export async function makeHome(home: string, past: Past, pattern: Pattern, run: Run): Promise<void> {
  mkdirSync(home, { mode: 0o700 });
  const path = join(home, "switchboard.db");
  openDatabase({ path, busyMs: 0, maxBytes: Number.POSITIVE_INFINITY }).close();
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    db.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;
      PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = ${-Math.floor(totalmem() / 4 / 1024)}; BEGIN`);
    await multiply(db, chatsOf(past, pattern), run);
    await multiply(db, messagesOf(past, pattern), run);
    db.exec(`UPDATE meta SET last_epoch = (SELECT max(generation) FROM processes);
      INSERT INTO session_names SELECT 'anna', ${past.chats} WHERE ${past.chats} > 1; COMMIT`);
  } finally {
    db.close();
  }
  flush(path);
}

/** What there is to be so many of. It is written block by block: a table whose columns are the places of the pattern. */
interface Multiple {
  total: number;
  table: string;
  columns: string;
  /** Selects the columns of one block from `numbers`. */
  select: string;
  /** Rows of the pattern, each for those of the block of which `where` is true. */
  rows: ReadonlyArray<{ of: PatternRows; where: string }>;
  /** By table and column: what is different in each row, beside places, generations and times. */
  varying: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

function chatsOf({ chats, messages }: Past, { chat }: Pattern): Multiple {
  const each = messages / chats;
  const lastProcess = Math.floor((each - 1) / messagesPerProcess) * chats + 1;
  const start = Date.now() - messages * pace;
  return {
    total: chats,
    table: "block_of_chats",
    columns: "n INTEGER PRIMARY KEY, chat_id, session_id, session_name, generation, at, active_at",
    select: `SELECT chat, ${chatId}, ${sessionId}, iif(chat = 0, 'anna', 'anna-' || (chat + 1)),
        ${lastProcess} + chat, ${start} + chat * ${pace}, ${start} + (${messages - chats} + chat) * ${pace}
      FROM (SELECT n AS chat FROM numbers)`,
    rows: [{ of: chat, where: "true" }],
    varying: {
      chats: {
        last_seq: `${2 * each}`,
        turns: `${each}`,
        last_message_at: "active_at",
        active_at: "active_at",
      },
    },
  };
}

/** `kth`: how many the chat had before. The channel's id of a message is the time, as with Signal. */
function messagesOf({ chats, messages }: Past, { cold, live }: Pattern): Multiple {
  const at = `${Date.now() - messages * pace} + n * ${pace}`;
  return {
    total: messages,
    table: "block_of_messages",
    columns: `n INTEGER PRIMARY KEY, chat_id, session_id, message_id, external_id TEXT, turn_id, reply_id, seq,
      generation, at, is_cold`,
    select: `SELECT n, ${chatId}, ${sessionId}, ${uuid}, ${at}, ${uuid}, ${uuid}, 2 * kth + 1,
        kth / ${messagesPerProcess} * ${chats} + chat + 1, ${at}, kth % ${messagesPerProcess} = 0
      FROM (SELECT n, n % ${chats} AS chat, n / ${chats} AS kth FROM numbers)`,
    rows: [
      { of: cold, where: "is_cold" },
      { of: live, where: "NOT is_cold" },
    ],
    varying: {
      messages: { seq: "seq" },
      replies: { seq: "seq + 1" },
      turns: { number: "n + 1" },
      turn_messages: { turn: "n + 1" },
    },
  };
}

/** Throws between two blocks when the run is to end early. */
async function multiply(db: DatabaseSync, multiple: Multiple, run: Run): Promise<void> {
  const { total, table, columns, select } = multiple;
  db.exec(`CREATE TEMP TABLE ${table} (${columns})`);
  const statements = [
    `DELETE FROM ${table}`,
    `INSERT INTO ${table} WITH RECURSIVE numbers (n) AS
       (SELECT CAST(:from AS INTEGER) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :to) ${select}`,
    ...insertsOf(multiple),
  ].map((sql) => db.prepare(sql));
  for (const statement of statements) statement.setAllowUnknownNamedParameters(true);
  for (let from = 0; from < total; from += blockSize) {
    const block = { from, to: Math.min(from + blockSize, total) };
    for (const statement of statements) statement.run(block);
    if (from > 0 && from % 1_000_000 === 0) run.say(`  ${from} of ${total} written`);
    await breathe();
    run.signal.throwIfAborted();
  }
}

/** A statement for each table, which writes the rows of a block in the order in which they would have come. */
function insertsOf({ table: block, rows, varying }: Multiple): string[] {
  const tables = new Set(rows.flatMap(({ of }) => Object.keys(of)));
  return [...tables].flatMap((table) => {
    const parts = rows.flatMap(({ of, where }) => (of[table] ?? []).map((row) => ({ row, where })));
    const [first] = parts;
    if (first === undefined) return [];
    // Events are numbered as they are inserted.
    const columns = Object.keys(first.row).filter((column) => table !== "events" || column !== "seq");
    const values = columns.map((column) =>
      byPart(parts.map(({ row }) => valueIn(column, row, varying[table] ?? {}))),
    );
    const where = byPart(parts.map((part) => part.where));
    return `INSERT INTO ${table} (${columns.join(", ")}) SELECT ${values.join(", ")}
      FROM ${block} CROSS JOIN (VALUES ${parts.map((_, part) => `(${part})`).join(", ")}) WHERE ${where}`;
  });
}

/** One expression for the parts' own ones. */
function byPart(expressions: readonly string[]): string {
  const [first = "NULL"] = expressions;
  if (expressions.every((expression) => expression === first)) return first;
  const cases = expressions.map((expression, part) => `WHEN ${part} THEN ${expression}`);
  return `CASE column1 ${cases.join(" ")} END`;
}

/** A column's value in the pattern as SQL over the columns of a block. */
function valueIn(column: string, row: PatternRow, varying: Readonly<Record<string, string>>): string {
  const own = varying[column];
  if (own !== undefined) return own;
  const value = row[column] ?? null;
  if (value === null) return "NULL";
  if (column === "generation" || column === "epoch") return "generation";
  if (column === "at" || column.endsWith("_at")) return "at";
  return typeof value === "string" ? textOf(value) : `${value}`;
}

/** Its places, and generations that stand in JSON, are filled in. */
function textOf(text: string): string {
  const parts = text.split(/(\{\w+\}|(?<="generation":)\d+)/);
  const sql = parts.map((part, at) => {
    if (at % 2 === 0) return part === "" ? [] : `'${part.replaceAll("'", "''")}'`;
    return part.startsWith("{") ? part.slice(1, -1) : "generation";
  });
  return sql.flat().join(" || ") || "''";
}

/** So that no writing of the system's own disturbs what is measured next. */
function flush(path: string): void {
  const file = openSync(path, "r+");
  fsyncSync(file);
  closeSync(file);
}

/** Reads the whole ledger, so that all of it is in the system's cache, if there is room: another home may have taken it. */
export async function warmUp(home: string, signal: AbortSignal): Promise<void> {
  const chunks = createReadStream(join(home, "switchboard.db"), { highWaterMark: 2 ** 20, signal });
  await finished(chunks.resume());
}
