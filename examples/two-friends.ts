/**
 * A bot in a few lines: two friends write, each has a Claude of their own, and each is remembered the next time.
 * Run it twice: `npm run example`. With ANTHROPIC_API_KEY set it is the real Claude who answers.
 */

import { open } from "../src/index.ts";

const { ANTHROPIC_API_KEY: apiKey } = process.env;
const switchboard = await open({ home: "./example-home", upstream: apiKey ? { apiKey } : "offline" });

async function say(chatId: string, name: string, text: string): Promise<void> {
  const { message } = await switchboard.receive(chatId, { text, contact: { name, tier: "family" } });
  const { reply, error } = await switchboard.settled(message.id, { timeoutMs: 60_000 });
  console.log(`${name}: ${text}\n  → ${reply?.text ?? error?.message ?? "no answer yet"}`);
}

await Promise.all([
  say("telegram:1", "Ada", "I prefer tea."),
  say("telegram:2", "Blaise", "I prefer coffee."),
]);
await say("telegram:1", "Ada", "What did I say?");
await say("telegram:2", "Blaise", "What did I say?");
await switchboard.close();
