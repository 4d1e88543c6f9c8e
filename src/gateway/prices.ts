/** What the model's API costs, by model. Pure. */

/** USD for a million tokens, but for `webSearch`: USD for each. */
export interface Price {
  input: number;
  output: number;
  cacheWrite: number;
  cacheWrite1h: number;
  cacheRead: number;
  webSearch: number;
}

/** What one request has used, as the API told it. */
export interface ModelUsage {
  /** The model that answered. */
  model: string;
  inputTokens: number;
  outputTokens: number;
  /** Kept for five minutes, and for an hour. */
  cacheWriteTokens: number;
  cacheWrite1hTokens: number;
  cacheReadTokens: number;
  webSearches: number;
}

/** By the beginning of a model's id; the longest that fits counts. */
export type PriceList = Readonly<Record<string, Price>>;

/** The first list that has a price for the model counts. */
export type Prices = readonly PriceList[];

/** A cache's write costs 1.25 of the input, or 2 for an hour; its read a tenth, unless it is said. */
function price(input: number, output: number, cacheRead = input / 10): Price {
  return { input, output, cacheWrite: input * 1.25, cacheWrite1h: input * 2, cacheRead, webSearch: 0.01 };
}

/**
 * From the catalogue that Claude Code 2.1.330 has built in
 * (2026-11); a prompt of Haiku 5.5 beyond 100,000 tokens, which costs more, is counted at that price throughout.
 */
export const listPrices: PriceList = {
  "claude-3-5-haiku": price(0.8, 4),
  "claude-haiku-4-5": price(1, 5),
  "claude-haiku-5-5": price(0.5, 2.5),
  "claude-3-5-sonnet": price(3, 15),
  "claude-3-7-sonnet": price(3, 15),
  "claude-sonnet-4": price(3, 15),
  "claude-sonnet-5": price(2, 10),
  "claude-sonnet-5-5": price(2, 10, 0.1),
  "claude-opus-4": price(15, 75),
  "claude-opus-4-5": price(5, 25),
  "claude-opus-4-6": price(5, 25),
  "claude-opus-4-7": price(5, 25),
  "claude-opus-4-8": price(5, 25),
  "claude-opus-5": price(5, 25),
  "claude-opus-5-5": price(4, 20, 0.2),
  "claude-fable-5": price(10, 50),
  "claude-fable-5-1": price(10, 50, 0.25),
  "claude-fable-5-2": price(8, 40, 0.2),
  "claude-mythos-5": price(10, 50),
  "claude-mythos-5-1": price(10, 50, 0.25),
  "claude-mythos-5-2": price(8, 40, 0.2),
};

/** For a model that nobody has a price for: no budget is overdrawn because of it. */
const dearest = price(30, 150);

/** Null: there is no price for it. */
export function priceOf(model: string, prices: Prices): Price | null {
  for (const list of prices) {
    const names = Object.keys(list).filter((name) => model === name || model.startsWith(`${name}-`));
    const [longest] = names.sort((a, b) => b.length - a.length);
    const price = longest === undefined ? undefined : list[longest];
    if (price !== undefined) return price;
  }
  return null;
}

/** In billionths of a USD, rounded up, so that sums are exact. */
export function costOf(usage: ModelUsage, prices: Prices): number {
  const { input, output, cacheWrite, cacheWrite1h, cacheRead, webSearch } =
    priceOf(usage.model, prices) ?? dearest;
  const millionths =
    usage.inputTokens * input +
    usage.outputTokens * output +
    usage.cacheWriteTokens * cacheWrite +
    usage.cacheWrite1hTokens * cacheWrite1h +
    usage.cacheReadTokens * cacheRead;
  // Beyond a millionth of a billionth there is only what binary fractions have made of the prices.
  return Math.ceil(Number((millionths * 1000 + usage.webSearches * webSearch * 1e9).toFixed(6)));
}
