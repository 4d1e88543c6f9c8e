/**
 * What real traffic leaves in the ledger, to be multiplied: a chat is named and writes, through the port, and the rows
 * that this adds are read back. So the homes of a large past have whatever rows the ledger of today would have.
 */

import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { admitted } from "../src/contacts/tiers.ts";
import { type Claim, type Lease, type Ledger, openSqliteLedger } from "../src/ledger/index.ts";
import { sampleText } from "./sample.ts";

export type PatternRow = Record<string, SQLOutputValue>;
/** By table. */
export type PatternRows = Readonly<Record<string, readonly PatternRow[]>>;

/** Ids are places to be filled in, in braces: `{chat_id}`, `{session_id}`, `{message_id}`… */
export interface Pattern {
  /** Of a chat: itself, its contact, its session. */
  chat: PatternRows;
  /** Of a message whose process has to be started, with that process from start to end. */
  cold: PatternRows;
  /** Of a message that a running process takes. */
  live: PatternRows;
}

/** Uses two ledgers of its own, beside `path`. */
export async function recordPattern(path: string): Promise<Pattern> {
  const { chat, exchange: cold } = await traffic(`${path}-cold.db`, "cold");
  const { exchange: live } = await traffic(`${path}-live.db`, "live");
  return { chat, cold, live };
}

const chatId = "{chat_id}";
const sessionId = "{session_id}";

async function traffic(
  path: string,
  kind: "cold" | "live",
): Promise<{ chat: PatternRows; exchange: PatternRows }> {
  const ledger = await openSqliteLedger({ path });
  using looking = new DatabaseSync(path, { readOnly: true });
  try {
    const nothing = rowsOf(looking);
    await ledger.putContact(chatId, { name: "Anna", tier: "family" }, "{session_name}");
    const acquired = await ledger.acquire(chatId, "host");
    if ("heldBy" in acquired) throw new Error(`the chat is held by ${acquired.heldBy}`);
    const lease = { chatId, epoch: acquired.epoch };
    await ledger.openSession(lease, sessionId);
    const named = rowsOf(looking);

    const first = kind === "cold" ? places : names;
    await accept(ledger, first);
    const { generation } = await ledger.beginProcess(lease, sessionId, "message");
    await ledger.processStarted(lease, generation, process.pid);
    await ledger.charge(lease, generation, [
      { messageId: first.message, sdkUuid: first.message, kind: "send", progress: 0 },
    ]);
    await answer(ledger, lease, generation, first);
    let before = named;
    if (kind === "live") {
      before = rowsOf(looking);
      await accept(ledger, places, { epoch: lease.epoch, generation });
      await answer(ledger, lease, generation, places);
    } else {
      await ledger.processEnded(lease, generation, "idle");
    }
    await ledger.release(lease);
    const after = rowsOf(looking);
    // The chat and its session as they stand in the end; what else is added is an exchange's.
    const { chats = [], sessions = [] } = after;
    return { chat: { ...added(nothing, named), chats, sessions }, exchange: added(before, after) };
  } finally {
    await ledger.close();
  }
}

interface Ids {
  message: string;
  external: string;
  turn: string;
  reply: string;
}

const places: Ids = {
  message: "{message_id}",
  external: "{external_id}",
  turn: "{turn_id}",
  reply: "{reply_id}",
};
/** Of the message before the one that is wanted. */
const names: Ids = { message: "message", external: "external", turn: "turn", reply: "reply" };

async function accept(ledger: Ledger, { message, external }: Ids, claim?: Claim): Promise<void> {
  const inbound = {
    id: message,
    chatId,
    externalId: external,
    text: sampleText,
    sender: null,
    channel: null,
    route: null,
    command: null,
    contact: {},
    sessionNameBase: "",
  };
  const { kind } = await ledger.accept(inbound, admitted, { claim });
  if (kind !== "accepted") throw new Error(`a message was not accepted: ${kind}`);
}

async function answer(
  ledger: Ledger,
  lease: Lease,
  generation: number,
  { message, turn, reply }: Ids,
): Promise<void> {
  const messageIds = [message];
  await ledger.beginTurn(lease, { id: turn, sessionId, generation, messageIds });
  const now = Date.now();
  await ledger.endTurn(lease, {
    turnId: turn,
    outcome: "answered",
    messageIds,
    reply: { id: reply, text: sampleText },
    endings: [],
    notices: [],
    proven: { sessionId, sdkSessionId: sessionId, toldFacts: "Anna" },
    usage: { inputTokens: 1000, outputTokens: 30, costUsd: 0.01 },
    requestAt: now,
    firstByteAt: now,
  });
}

function rowsOf(db: DatabaseSync): PatternRows {
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all();
  return Object.fromEntries(
    tables.map(({ name }) => [String(name), db.prepare(`SELECT * FROM ${name}`).all()]),
  );
}

/** New rows come last in every table: numbers rise, and an id in braces sorts behind one of letters. */
function added(before: PatternRows, after: PatternRows): PatternRows {
  return Object.fromEntries(
    Object.entries(after).map(([table, rows]) => [table, rows.slice(before[table]?.length ?? 0)]),
  );
}
