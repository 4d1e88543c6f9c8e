/** Whether a budget is spent. Pure. Money is in billionths of a USD. */

export interface Sums {
  chat: number;
  tier: number;
  all: number;
}

export interface Account {
  /** Today, by the chat, by all chats under its tier, and by all chats. */
  spent: Sums;
  /** Allowed for today beyond the budget. */
  allowed: Sums;
  /** Null: no bound. */
  budget: { [Whose in keyof Sums]: number | null };
}

export interface Overspent {
  whose: keyof Sums;
  spent: number;
  /** With what was allowed besides. */
  budget: number;
}

/**
 * The first budget that is spent; null: something may still be asked. What a request will cost is not known before it is
 * answered, so the last one may go beyond the budget: by its own cost, once for each that was under way.
 */
export function overspent({ spent, allowed, budget }: Account): Overspent | null {
  for (const whose of ["chat", "tier", "all"] as const) {
    const bound = budget[whose];
    if (bound !== null && spent[whose] >= bound + allowed[whose])
      return { whose, spent: spent[whose], budget: bound + allowed[whose] };
  }
  return null;
}

/** The day of a time, and the time of the next one: `2026-01-31`, in UTC. `now` in ms since the Unix epoch. */
export function dayOf(now: number): { day: string; nextAt: number } {
  const day = new Date(now).toISOString().slice(0, 10);
  return { day, nextAt: Date.parse(day) + 24 * 3_600_000 };
}
