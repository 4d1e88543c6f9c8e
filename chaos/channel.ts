/** Where replies are delivered: a receiver that fails, answers late or drops the connection, as its dice say. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import type { Dice } from "./dice.ts";
import { type Delivery, type FaultRecord, type Journal, noncePattern } from "./evidence.ts";

export const channelName = "chaos";

/** ms that a late answer takes. */
const lateMs = 3000;
/** Of all deliveries. */
const troubled = 0.25;

export class Channel {
  readonly #dice: Dice;
  readonly #deliveries: Journal<Delivery>;
  readonly #faults: Journal<FaultRecord>;
  readonly #server = createServer((request, response) => {
    this.#receive(request, response).catch(() => response.destroy());
  });
  #calm = false;

  private constructor(dice: Dice, deliveries: Journal<Delivery>, faults: Journal<FaultRecord>) {
    this.#dice = dice;
    this.#deliveries = deliveries;
    this.#faults = faults;
  }

  static async open(
    dice: Dice,
    deliveries: Journal<Delivery>,
    faults: Journal<FaultRecord>,
  ): Promise<Channel> {
    const channel = new Channel(dice, deliveries, faults);
    channel.#server.listen(0, "127.0.0.1");
    await once(channel.#server, "listening");
    return channel;
  }

  /** What `switchboard.toml` says of it. */
  get config(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the channel has no port");
    const url = `http://127.0.0.1:${address.port}/`;
    return `[channels.${channelName}]\ntype = "webhook"\nurl = "${url}"\nsecret = "${"chaos".repeat(8)}"\n`;
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
    const header = request.headers["idempotency-key"] ?? request.headers["webhook-id"];
    const key = typeof header === "string" ? header : null;
    const nonces = [...new Set(body.match(noncePattern) ?? [])];
    const isTroubled = !this.#calm && this.#dice.chance(troubled);
    const how = isTroubled ? this.#dice.pick(["failed", "late", "dropped"] as const) : "accepted";
    this.#deliveries.write({ at: Date.now(), key, nonces, how });
    if (how !== "accepted") this.#faults.write({ at: Date.now(), kind: "channel", how });
    if (how === "dropped") return void response.destroy();
    if (how === "late") await pause(lateMs);
    response.writeHead(how === "failed" ? 503 : 204).end();
  }
}
