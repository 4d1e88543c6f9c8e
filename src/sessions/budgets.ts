/**
 * What is spent today, and by whom, kept in memory so that the gateway need not wait before a request leaves. The ledger
 * has it all: sums are read at the start, a chat's when its session awakes, and each answer's cost is written as it comes.
 * So a crash forgets at most what was not yet committed of the last answers.
 */

import { type Clock, sleep } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import { costOf, type ModelUsage, type Prices, priceOf } from "../gateway/index.ts";
import { type BudgetScope, type Ledger, LedgerError, type Spending } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { dayOf, type Overspent, overspent } from "./budget.ts";

export interface BudgetsOptions {
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  prices: Prices;
  /** USD in a day, of all chats; null: no bound. */
  usdPerDay: number | null;
  /** After its abort a write that fails is not tried again. */
  hurry: AbortSignal;
  /** Of each answer, whether or not it can be written. `cost` in billionths of a USD. */
  onSpent(spending: Omit<Spending, "requests">): void;
}

/** A chat may not ask the model for now. */
export interface BudgetHold {
  readonly kind: "budget";
  /** In ms since the Unix epoch. */
  readonly since: number;
  /** When the next day begins. */
  readonly until: number;
  readonly message: string;
}

/** Billionths of a USD. */
const billionth = 1e-9;
const retryMs = 1000;

export class Budgets {
  #options: BudgetsOptions;
  readonly #listeners = new Set<() => void>();
  readonly #unpriced = new Set<string>();
  #day = "";
  #all = 0;
  readonly #tiers = new Map<string, number>();
  /** Of chats whose session is awake. */
  readonly #chats = new Map<string, number>();
  readonly #allowed = new Map<string, number>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: BudgetsOptions) {
    this.#options = options;
  }

  static async open(options: BudgetsOptions): Promise<Budgets> {
    const budgets = new Budgets(options);
    const { ledger } = options;
    const day = budgets.#today();
    for (const { day: then, tier, cost } of await ledger.spending(day)) {
      if (then === day) budgets.#add(tier, cost);
    }
    for (const { scope, cost } of await ledger.allowances(day)) budgets.#allow(scope, cost);
    return budgets;
  }

  /** Chats that wait for a budget look again; so they do when a tier's has changed. */
  change(money: Pick<BudgetsOptions, "prices" | "usdPerDay">): void {
    this.#options = { ...this.#options, ...money };
    for (const listener of this.#listeners) listener();
  }

  /** Has to be called before a chat asks the model anything. */
  async know(chatId: string): Promise<void> {
    await this.#writing;
    const day = this.#today();
    const rows = await this.#options.ledger.chatSpending(chatId, day);
    const spent = rows.reduce((sum, row) => (row.day === day ? sum + row.cost : sum), 0);
    if (this.#today() === day) this.#chats.set(chatId, spent);
  }

  /** Its session sleeps. */
  forget(chatId: string): void {
    this.#chats.delete(chatId);
  }

  /** Null: it may ask. */
  hold(chatId: string, policy: Policy): BudgetHold | null {
    const spent = this.#overspent(chatId, policy);
    if (spent === null) return null;
    const now = this.#options.clock.now();
    const whose = { chat: "the chat", tier: `tier ${policy.tier}`, all: "all chats" }[spent.whose];
    const message = `Today's budget of ${whose} is spent: ${usd(spent.spent)} of ${usd(spent.budget)} USD.`;
    return { kind: "budget", since: now, until: dayOf(now).nextAt, message };
  }

  /** An answer of the model has cost something. */
  spend(chatId: string, { tier }: Policy, usage: ModelUsage): void {
    const { prices, log } = this.#options;
    if (priceOf(usage.model, prices) === null && !this.#unpriced.has(usage.model)) {
      this.#unpriced.add(usage.model);
      log.warn(
        { model: usage.model },
        "the model has no price and is metered at the dearest one; name it under [prices]",
      );
    }
    const cost = costOf(usage, prices);
    const day = this.#today();
    this.#add(tier, cost);
    const spent = this.#chats.get(chatId);
    if (spent !== undefined) this.#chats.set(chatId, spent + cost);
    const { model, inputTokens, outputTokens, cacheReadTokens } = usage;
    const cacheWriteTokens = usage.cacheWriteTokens + usage.cacheWrite1hTokens;
    const spending = {
      day,
      tier,
      model,
      requests: 1,
      inputTokens,
      outputTokens,
      cacheWriteTokens,
      cacheReadTokens,
    };
    this.#options.onSpent({ ...spending, cost });
    const write = () => this.#write((ledger) => ledger.spend(chatId, { ...spending, cost }));
    this.#writing = this.#writing.then(write);
  }

  /** Allows more for today, in USD. Resolves with the day when it is on disk; chats that waited for it go on. */
  async allowMore(scope: BudgetScope, amount: number): Promise<string> {
    const cost = Math.round(amount / billionth);
    const day = this.#today();
    await this.#options.ledger.allowMore(day, { scope, cost });
    if (this.#today() === day) this.#allow(scope, cost);
    for (const listener of this.#listeners) listener();
    return day;
  }

  /** Calls `listener` when more was allowed. Returns a function that ends it. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when everything that was spent so far is written, or given up in a hurry. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #overspent(chatId: string, { tier, budget }: Policy): Overspent | null {
    this.#today();
    const { usdPerDay } = this.#options;
    const allowed = (scope: BudgetScope) => this.#allowed.get(keyOf(scope)) ?? 0;
    return overspent({
      spent: { chat: this.#chats.get(chatId) ?? 0, tier: this.#tiers.get(tier) ?? 0, all: this.#all },
      allowed: { chat: allowed({ chatId }), tier: allowed({ tier }), all: allowed({ all: true }) },
      budget: { chat: bound(budget.chatUsd), tier: bound(budget.tierUsd), all: bound(usdPerDay) },
    });
  }

  /** A new day begins with nothing spent. */
  #today(): string {
    const { day } = dayOf(this.#options.clock.now());
    if (day !== this.#day) {
      this.#day = day;
      this.#all = 0;
      for (const sums of [this.#tiers, this.#allowed]) sums.clear();
      for (const chatId of this.#chats.keys()) this.#chats.set(chatId, 0);
    }
    return day;
  }

  #add(tier: string, cost: number): void {
    this.#all += cost;
    this.#tiers.set(tier, (this.#tiers.get(tier) ?? 0) + cost);
  }

  #allow(scope: BudgetScope, cost: number): void {
    this.#allowed.set(keyOf(scope), (this.#allowed.get(keyOf(scope)) ?? 0) + cost);
  }

  /** A full or locked disk is waited for. */
  async #write(work: (ledger: Ledger) => Promise<void>): Promise<void> {
    const { ledger, clock, log, hurry } = this.#options;
    for (;;) {
      try {
        return await work(ledger);
      } catch (error) {
        const passes = error instanceof LedgerError && /^storage_(full|busy)$/.test(error.code);
        if (passes && !hurry.aborted) await sleep(clock, retryMs, hurry);
        else return log.error({ error: String(error) }, "what was spent could not be written down");
      }
    }
  }
}

function bound(dollars: number | null): number | null {
  return dollars === null ? null : Math.round(dollars / billionth);
}

function keyOf(scope: BudgetScope): string {
  return JSON.stringify(scope);
}

function usd(cost: number): string {
  return (cost * billionth).toFixed(4);
}
