/** Money: what was spent by day, tier and model, once for all and once for each chat; and what a day was allowed beyond its budget. */

import { type Allowance, LedgerError, type Spending } from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import type { Writes } from "./protocol.ts";
import { countCost } from "./rollups.ts";

/** Rows that are read at most. */
const most = 10_000;

const sums = ["requests", "input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens", "cost"];
const added = sums.map((name) => `${name} = ${name} + excluded.${name}`).join(", ");

export function createSpendingWrites(db: Database): Pick<Writes, "spend" | "allowMore"> {
  return {
    spend(
      chatId,
      { day, tier, model, requests, inputTokens, outputTokens, cacheWriteTokens, cacheReadTokens, cost },
    ) {
      requireChat(db, chatId);
      const values = [
        day,
        tier,
        model,
        requests,
        inputTokens,
        outputTokens,
        cacheWriteTokens,
        cacheReadTokens,
        cost,
      ];
      db.run(
        `INSERT INTO spending (day, tier, model, ${sums.join(", ")}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET ${added}`,
        ...values,
      );
      db.run(
        `INSERT INTO chat_spending (chat_id, day, tier, model, ${sums.join(", ")}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET ${added}`,
        chatId,
        ...values,
      );
      countCost(db, Date.now(), cost);
    },

    allowMore(day, { scope, cost }) {
      const chatId = "chatId" in scope ? scope.chatId : null;
      if (chatId !== null) requireChat(db, chatId);
      const tier = "tier" in scope ? scope.tier : null;
      const name = chatId !== null ? `chat ${chatId}` : tier !== null ? `tier ${tier}` : "";
      db.run(
        `INSERT INTO allowances (day, scope, chat_id, tier, cost) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET cost = cost + excluded.cost`,
        ...[day, name, chatId, tier, cost],
      );
      if (chatId === null) return;
      const text = `${(cost / 1e9).toFixed(2)} USD more are allowed today.`;
      appendEvent(db, Date.now(), chatId, { type: "notice", code: "budget_raised", text });
    },
  };
}

function requireChat(db: Database, chatId: string): void {
  if (db.get("SELECT 1 FROM chats WHERE chat_id = ?", chatId) === undefined)
    throw new LedgerError("invalid", `There is no chat ${chatId}.`);
}

interface SpendingRow {
  day: string;
  tier: string;
  model: string;
  requests: number;
  input_tokens: number;
  output_tokens: number;
  cache_write_tokens: number;
  cache_read_tokens: number;
  cost: number;
}

function spendingOf(row: SpendingRow): Spending {
  return {
    day: row.day,
    tier: row.tier,
    model: row.model,
    requests: row.requests,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    cacheReadTokens: row.cache_read_tokens,
    cost: row.cost,
  };
}

export function readSpending(db: Database, since: string): Spending[] {
  return db
    .all<SpendingRow>(
      "SELECT * FROM spending WHERE day >= ? ORDER BY day DESC, tier DESC, model DESC LIMIT ?",
      since,
      most,
    )
    .map(spendingOf);
}

export function readChatSpending(db: Database, chatId: string, since: string): Spending[] {
  return db
    .all<SpendingRow>(
      `SELECT * FROM chat_spending WHERE chat_id = ? AND day >= ?
       ORDER BY day DESC, tier DESC, model DESC LIMIT ?`,
      chatId,
      since,
      most,
    )
    .map(spendingOf);
}

export function readAllowances(db: Database, day: string): Allowance[] {
  return db
    .all<{ chat_id: string | null; tier: string | null; cost: number }>(
      "SELECT chat_id, tier, cost FROM allowances WHERE day = ? ORDER BY scope",
      day,
    )
    .map(({ chat_id: chatId, tier, cost }) => ({
      scope: chatId !== null ? { chatId } : tier !== null ? { tier } : { all: true },
      cost,
    }));
}
