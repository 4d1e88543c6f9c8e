/**
 * Where replies are delivered: a receiver that fails, answers late or drops the connection, as its dice say. What it has
 * written down as taken it has, also when its answer reaches nobody.
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { type Deck, type Dice, deckOf } from "./dice.ts";
import { type Delivery, type FaultRecord, type Journal, noncePattern } from "./evidence.ts";

export const channelName = "chaos";

/** ms that a late answer takes. */
const lateMs = 3000;
/** Of all deliveries. */
const troubled = 0.25;

const troubles = ["failed", "late", "dropped"] as const;

/** A reply has come and is not answered yet. What is returned is waited for before it is. */
type OnDelivery = (replyId: string, chatId: string) => Promise<void> | null;

export class Channel {
  readonly #dice: Dice;
  readonly #troubles: Deck<(typeof troubles)[number]>;
  readonly #onDelivery: OnDelivery;
  readonly #deliveries: Journal<Delivery>;
  readonly #faults: Journal<FaultRecord>;
  readonly #server = createServer((request, response) => {
    this.#receive(request, response).catch(() => response.destroy());
  });
  #calm = false;

  private constructor(
    dice: Dice,
    deliveries: Journal<Delivery>,
    faults: Journal<FaultRecord>,
    onDelivery: OnDelivery,
  ) {
    this.#dice = dice;
    this.#troubles = deckOf(troubles, dice.named("troubles"));
    this.#onDelivery = onDelivery;
    this.#deliveries = deliveries;
    this.#faults = faults;
  }

  static async open(
    dice: Dice,
    deliveries: Journal<Delivery>,
    faults: Journal<FaultRecord>,
    onDelivery: OnDelivery,
  ): Promise<Channel> {
    const channel = new Channel(dice, deliveries, faults, onDelivery);
    channel.#server.listen(0, "127.0.0.1");
    await once(channel.#server, "listening");
    return channel;
  }

  /** What `switchboard.toml` says of it. */
  get config(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the channel has no port");
    const url = `http://127.0.0.1:${address.port}/`;
    return `
[channels.${channelName}]
type = "webhook"
url = "${url}"
secret = "${"chaos".repeat(8)}"
after_crash = "resend"
expire_seconds = 86400
stop_words = ["stop"]
`;
  }

  calm(): void {
    this.#calm = true;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const { reply } = JSON.parse(body) as { reply: { id: string; chatId: string } };
    const header = request.headers["idempotency-key"];
    const key = typeof header === "string" ? header : null;
    const nonces = [...new Set(body.match(noncePattern) ?? [])];
    const isTroubled = !this.#calm && this.#dice.chance(troubled);
    const how = isTroubled ? this.#troubles() : "accepted";
    this.#deliveries.write({ at: Date.now(), replyId: reply.id, key, nonces, how });
    if (how !== "accepted") this.#faults.write({ at: Date.now(), kind: "channel", how });
    if (how === "dropped") return void response.destroy();
    await this.#onDelivery(reply.id, reply.chatId);
    if (how === "late") await pause(lateMs);
    response.writeHead(how === "failed" ? 503 : 204).end();
  }
}
