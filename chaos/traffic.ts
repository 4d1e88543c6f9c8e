/**
 * The contacts: each chat writes on its own, as its dice say, and behaves as a careful channel does. A post that got no
 * answer is posted again under the same external id until it is acknowledged; some that were acknowledged are, too.
 */

import { setTimeout as pause } from "node:timers/promises";
import { type Deck, type Dice, deckOf } from "./dice.ts";
import type { Accepted, FaultRecord, Journal } from "./evidence.ts";
import { type Orders, type Trouble, textOf, throwOrders, troubles } from "./orders.ts";
import type { World } from "./world.ts";

export interface TrafficOptions {
  readonly world: World;
  readonly dice: Dice;
  readonly chats: readonly string[];
  readonly accepted: Journal<Accepted>;
  readonly faults: Journal<FaultRecord>;
  /** By which the replies of every other chat leave; the others' are fetched. */
  readonly channel: string;
  openIn(chatId: string): number;
  onAccepted(chatId: string): void;
}

interface Post {
  readonly chatId: string;
  readonly externalId: string;
  readonly nonce: string;
  readonly body: object & { readonly text: string };
}

/** A chat with so many open messages waits before it writes more. */
const mostOpen = 3;
const lookAgainMs = 50;

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #calm = new AbortController();
  /** Chats that write nothing for now, with what they still have under way. */
  readonly #reserved = new Set<string>();
  readonly #busy = new Map<string, number>();
  readonly #troubles: Deck<Trouble>;
  readonly #running: Promise<unknown>;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#troubles = deckOf(troubles, options.dice.named("troubles"));
    this.#running = Promise.all(options.chats.map((chatId) => this.#write(chatId)));
  }

  /** Resolves when every message that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#calm.abort();
    await this.#running;
  }

  /** One more message of each chat, that asks for nothing but an answer. */
  async rollCall(): Promise<void> {
    const { chats, dice } = this.#options;
    await Promise.all(
      chats.map((chatId) => {
        const nonce = `nonce-${dice.named(`${chatId}/roll call`).hex(8)}`;
        const orders = { nonce, slow: false, tools: 0, trouble: null, poison: false };
        return this.#post(this.#postOf(chatId, "roll-call", orders, 0));
      }),
    );
  }

  /** Keeps a chat silent until the returned function is called; resolves when it has nothing under way. */
  async reserve(chatId: string): Promise<() => void> {
    this.#reserved.add(chatId);
    while ((this.#busy.get(chatId) ?? 0) > 0) await pause(lookAgainMs);
    return () => void this.#reserved.delete(chatId);
  }

  isReserved(chatId: string | null): boolean {
    return chatId !== null && this.#reserved.has(chatId);
  }

  async #write(chatId: string): Promise<void> {
    const dice = this.#options.dice.named(chatId);
    const posted: Post[] = [];
    for (let n = 1; !this.#calm.signal.aborted; ) {
      await this.#rest(dice.whole(0, 900));
      while (this.#mustWait(chatId)) await this.#rest(lookAgainMs);
      const size = dice.pick([1, 1, 1, 2, 3]);
      const route = dice.whole(0, 1);
      const posts = Array.from({ length: size }, () => {
        const post = this.#postOf(chatId, String(n++), throwOrders(dice, this.#troubles), route);
        posted.push(post);
        return post;
      });
      const together = dice.chance(0.4);
      const again = dice.chance(0.3) ? [dice.pick(posted)] : [];
      const order = dice.chance(0.3) ? dice.shuffled(posts) : posts;
      if (this.#calm.signal.aborted) return;
      this.#busy.set(chatId, (this.#busy.get(chatId) ?? 0) + 1);
      if (size > 1 && order !== posts) this.#note({ at: Date.now(), kind: "reordered", chatId });
      for (const { externalId } of again)
        this.#note({ at: Date.now(), kind: "duplicate", chatId, externalId });
      const all = [...order, ...again];
      if (together) await Promise.all(all.map((post) => this.#post(post)));
      else for (const post of all) await this.#post(post);
      this.#busy.set(chatId, (this.#busy.get(chatId) ?? 0) - 1);
    }
  }

  #mustWait(chatId: string): boolean {
    if (this.#calm.signal.aborted) return false;
    return this.#reserved.has(chatId) || this.#options.openIn(chatId) >= mostOpen;
  }

  /** Until the time is over, or the round calms down. */
  async #rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#calm.signal }).catch(() => {});
  }

  #postOf(chatId: string, externalId: string, orders: Orders, route: number): Post {
    const { chats, channel } = this.#options;
    const way = { route: { lane: route }, ...(chats.indexOf(chatId) % 2 === 0 ? { channel } : {}) };
    const body = { text: textOf(orders), id: externalId, contact: { tier: "admin" }, ...way };
    return { chatId, externalId, nonce: orders.nonce, body };
  }

  async #post(post: Post): Promise<void> {
    for (let askedAt = Date.now(); ; await pause(200), askedAt = Date.now()) {
      const answer = await this.#options.world
        .call("POST", `/v1/chats/${post.chatId}/messages`, post.body)
        .catch(() => null);
      if (answer === null || answer.status >= 500 || answer.status === 429) continue;
      if (answer.status !== 200 && answer.status !== 202)
        throw new Error(`a message was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
      this.#acknowledged(post, askedAt, answer.status === 200, idIn(answer.body));
      return;
    }
  }

  #acknowledged(
    { chatId, externalId, nonce, body }: Post,
    askedAt: number,
    duplicate: boolean,
    messageId: string,
  ) {
    const { text } = body;
    const record = { askedAt, at: Date.now(), chatId, externalId, nonce, text, messageId, duplicate };
    this.#options.accepted.write(record);
    this.#options.onAccepted(chatId);
  }

  #note(record: FaultRecord): void {
    this.#options.faults.write(record);
  }
}

function idIn(body: unknown): string {
  if (typeof body === "object" && body !== null && "id" in body && typeof body.id === "string")
    return body.id;
  throw new Error(`an acknowledgement without an id: ${JSON.stringify(body)}`);
}
