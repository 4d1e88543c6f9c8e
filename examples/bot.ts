/**
 * Switchboard in a bot: it long-polls Telegram's Bot API, and each chat talks to a Claude of its own.
 *
 *     node examples/bot.ts        two people write to it, on this machine
 *     BOT_API=https://api.telegram.org BOT_TOKEN=… BOT_TIER=family node examples/bot.ts        everybody may
 *
 * An update is confirmed by the next poll, and that comes when it is on disk: a bot that dies before it has lost nothing.
 * What was on disk comes again then, under the same id, and is accepted once.
 */

import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import {
  type Channel,
  type ChannelHost,
  NotSentError,
  type OutboundReply,
  open,
  type SendResult,
  SwitchboardError,
} from "../src/index.ts";
import { BotApi, isUnsent, type Message, RefusedError } from "./bot/api.ts";
import { startStandIn } from "./bot/stand-in.ts";

const { ANTHROPIC_API_KEY: apiKey, BOT_API, BOT_TOKEN = "", BOT_TIER } = process.env;
const standIn = BOT_API === undefined ? await startStandIn() : null;
const api = new BotApi(BOT_API ?? standIn?.url ?? "", BOT_TOKEN);
/** Of whoever writes. Without one only chats that you have named by `putContact` or `admit` are let in. */
const tier = BOT_TIER ?? (standIn === null ? undefined : "family");
/** These pass, and the message is to come again. With any other error it would be refused again. */
const passing = ["overloaded", "rate_limited", "draining", "storage_full", "storage_busy", "storage_failed"];

class Telegram implements Channel {
  readonly name = "telegram";
  /** The API takes no idempotency keys: what may have gone out goes out again, and says so. */
  readonly afterCrash = "mark";
  readonly stopWords = ["stop", "/stop"];
  readonly #ended = new AbortController();
  #polled: Promise<void> | undefined;

  async start(host: ChannelHost): Promise<void> {
    this.#polled = this.#poll(host);
  }

  async send(reply: OutboundReply, _key: string, signal: AbortSignal): Promise<SendResult> {
    const text = reply.mayBeDouble ? `(Perhaps you have this already.)\n${reply.text}` : reply.text;
    let sent = 0;
    try {
      // A message holds 4096 UTF-16 units at most, and a character is up to two.
      for (const piece of text.match(/.{1,2048}/gsu) ?? []) {
        await api.sendMessage(Number(reply.route), piece, signal);
        sent += 1;
      }
      console.log(`  → ${reply.chatId}: ${text}`);
      return { kind: "sent" };
    } catch (error) {
      if (sent === 0 && isUnsent(error)) throw new NotSentError("The bot API cannot be reached.");
      // It may have gone out, in part at least.
      if (sent > 0 || !(error instanceof RefusedError)) throw error;
      return { kind: "refused", reason: error.message, retry: error.status === 429, afterMs: error.afterMs };
    }
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#polled;
  }

  async #poll(host: ChannelHost): Promise<void> {
    const { signal } = this.#ended;
    for (let offset = 0; !signal.aborted; ) {
      try {
        for (const update of await api.getUpdates(offset, signal)) {
          if (update.message) await this.#take(String(update.update_id), update.message, host);
          offset = update.update_id + 1;
        }
      } catch (error) {
        if (!signal.aborted) console.error(`! ${error}`);
        await pause(3000, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Resolves when the update may be confirmed. */
  async #take(id: string, { chat, from, text }: Message, host: ChannelHost): Promise<void> {
    if (from === undefined || text === undefined) return;
    const group = chat.type !== "private";
    try {
      const { duplicate } = await host.receive(`telegram:${chat.id}`, {
        ...{ id, text, route: chat.id },
        contact: { name: chat.title ?? from.first_name, group, ...(tier && { tier }) },
        ...(group && { sender: { id: String(from.id), name: from.first_name } }),
      });
      console.log(`${duplicate ? "Again, taken once: " : ""}${from.first_name}: ${text}`);
    } catch (error) {
      if (!(error instanceof SwitchboardError) || passing.includes(error.code)) throw error;
      console.error(`! telegram:${chat.id}: ${error.message}`);
    }
  }
}

const switchboard = await open({
  home: "./example-home",
  upstream: apiKey ? { apiKey } : "offline",
  channels: [new Telegram()],
});

async function showTyping(): Promise<void> {
  const timers = new Map<string, NodeJS.Timeout>();
  for await (const { chatId, ...event } of switchboard.events({ text: false })) {
    if (event.type !== "turn") continue;
    clearInterval(timers.get(chatId));
    if (event.state !== "started" && event.state !== "joined") continue;
    const show = () => void api.sendTyping(Number(chatId.replace("telegram:", ""))).catch(() => {});
    show();
    timers.set(chatId, setInterval(show, 4000).unref());
  }
}

const typed = showTyping();
await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM"), ...(standIn ? [standIn.done] : [])]);
await switchboard.close();
await typed;
standIn?.close();
