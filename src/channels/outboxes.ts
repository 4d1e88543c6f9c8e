/**
 * The channels that replies go out by, each with its outbox. They may change while replies are on their way: a channel's
 * outbox has come to rest before the next one of its name begins, and what it had in hand goes on from the ledger.
 */

import type { Clock } from "../clock.ts";
import type { Ledger } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import type { Channel, ChannelHost } from "./channel.ts";
import { goneChannel } from "./gone.ts";
import { Outbox } from "./outbox.ts";

export interface OutboxesOptions {
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  /** What a channel is given to speak to. */
  hostOf(channel: Channel): ChannelHost;
  /** After its abort no attempt is waited for. */
  hurry: AbortSignal;
}

export class Outboxes {
  readonly #options: OutboxesOptions;
  readonly #channels = new Map<string, Channel>();
  /** By channel; also of names that replies still bear and no channel has. */
  readonly #outboxes = new Map<string, Outbox>();

  constructor(options: OutboxesOptions) {
    this.#options = options;
  }

  get names(): string[] {
    return [...this.#channels.keys()];
  }

  get(name: string): Channel | undefined {
    return this.#channels.get(name);
  }

  /** Starts them, and goes on with what the ledger holds. */
  async start(channels: Iterable<Channel>): Promise<void> {
    for (const channel of channels) await this.#begin(channel);
    await this.#tellGone();
  }

  /** `gone`: names of channels that end. `channels`: those that begin, or take the place of another of the same name. */
  async change(gone: readonly string[], channels: readonly Channel[]): Promise<void> {
    for (const name of gone) await this.#end(name);
    for (const channel of channels) await this.#begin(channel);
  }

  /** Replies still go out, or wait for the next start. Resolves when nothing is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#outboxes.values()].map((outbox) => outbox.close(this.#options.hurry)));
    await Promise.all([...this.#channels.values()].map((channel) => channel.stop()));
  }

  async #begin(channel: Channel): Promise<void> {
    // Until then messages come in by the one that was there.
    await this.#rest(channel.name);
    await channel.start(this.#options.hostOf(channel));
    this.#channels.set(channel.name, channel);
    // Not before its channel has started: it sends at once.
    await this.#deliverBy(channel);
  }

  /** Turns that run may still answer by it. */
  async #end(name: string): Promise<void> {
    const rested = this.#rest(name);
    this.#channels.delete(name);
    await rested;
    await this.#deliverBy(goneChannel(name));
  }

  async #rest(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    await this.#outboxes.get(name)?.close(this.#options.hurry);
    await channel?.stop();
  }

  async #tellGone(): Promise<void> {
    const { ledger, log } = this.#options;
    for (const name of await ledger.channels()) {
      if (this.#outboxes.has(name)) continue;
      log.warn({ channel: name }, "replies are to go out by a channel that is not configured; they fail");
      await this.#deliverBy(goneChannel(name));
    }
  }

  async #deliverBy(channel: Channel): Promise<void> {
    const { ledger, clock, log } = this.#options;
    const outbox = new Outbox({ channel, ledger, clock, log });
    this.#outboxes.set(channel.name, outbox);
    await outbox.start();
  }
}
