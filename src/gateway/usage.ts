/** What an answer of the model says that it has used. Pure. */

import { z } from "zod";
import type { ModelUsage } from "./prices.ts";

const count = z.int().nonnegative().nullish();
const usage = z.object({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: z.object({ ephemeral_1h_input_tokens: count }).nullish(),
  server_tool_use: z.object({ web_search_requests: count }).nullish(),
});
const message = z.object({ model: z.string(), usage });
const start = z.object({ message });
const delta = z.object({ usage });

/** Events that tell of it. */
export const usageEvents: readonly (string | undefined)[] = ["message_start", "message_delta"];

/** What has been used after one more event of a stream; numbers are those of the whole answer so far. */
export function usageAfter(before: ModelUsage | null, json: string): ModelUsage | null {
  const data = parsed(json);
  const begun = start.safeParse(data).data?.message;
  if (begun !== undefined) return withNumbers(unused(begun.model), begun.usage);
  const news = delta.safeParse(data).data?.usage;
  return before === null || news === undefined ? before : withNumbers(before, news);
}

/** Of an answer that came whole; null when it says nothing of it. */
export function usageOf(json: string): ModelUsage | null {
  const whole = message.safeParse(parsed(json)).data;
  return whole === undefined ? null : withNumbers(unused(whole.model), whole.usage);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function unused(model: string): ModelUsage {
  return {
    ...{ model, inputTokens: 0, outputTokens: 0 },
    ...{ cacheWriteTokens: 0, cacheWrite1hTokens: 0, cacheReadTokens: 0, webSearches: 0 },
  };
}

function withNumbers(before: ModelUsage, news: z.output<typeof usage>): ModelUsage {
  const written = news.cache_creation_input_tokens ?? before.cacheWriteTokens + before.cacheWrite1hTokens;
  const forAnHour = Math.min(
    written,
    news.cache_creation?.ephemeral_1h_input_tokens ?? before.cacheWrite1hTokens,
  );
  return {
    model: before.model,
    inputTokens: news.input_tokens ?? before.inputTokens,
    outputTokens: news.output_tokens ?? before.outputTokens,
    cacheWriteTokens: written - forAnHour,
    cacheWrite1hTokens: forAnHour,
    cacheReadTokens: news.cache_read_input_tokens ?? before.cacheReadTokens,
    webSearches: news.server_tool_use?.web_search_requests ?? before.webSearches,
  };
}
