/**
 * What people and operators do to a daemon all day, as the dice say: chats write, and now and then something is stopped,
 * reset, closed or woken, a process is killed, somebody follows the events for a while.
 */

import { type Deck, type Dice, deckOf } from "../../chaos/dice.ts";
import { type Client, chatPath } from "../../src/cli/client.ts";
import type { MessageView } from "../../src/index.ts";
import { orAbort } from "../run.ts";
import { type Order, textOf } from "./model.ts";
import { type Operator, pause } from "./operator.ts";
import type { Story } from "./story.ts";

/** How often each comes in a deck of all. */
const doings = {
  write: 20,
  "write and wait": 4,
  "look around": 4,
  "use a tool": 6,
  "write twice": 4,
  stop: 3,
  kill: 3,
  "meet an overload": 1,
  rename: 1,
  follow: 4,
  wake: 2,
  close: 2,
  reset: 2,
  restart: 1,
  "undo-reset": 1,
} as const;

type Doing = keyof typeof doings;

/** Of all messages: those of chats that write all the time, and of chats that nobody has heard of. */
const shares = { regular: 0.2, newcomer: 0.1 };
const regulars = 3;
/** So many have not come to their end, and nothing new is begun: a machine that is slower has less to do. */
const mostAtOnce = 12;
/** s for which somebody follows the events, at most. */
const longestFollowing = 20;
/** All tools, Bash among them. */
const tier = "admin";

export interface LoadOptions {
  client: Client;
  story: Story;
  operator: Operator;
  dice: Dice;
  /** Chats that write; newcomers add to them. */
  chats: number;
  /** Messages and actions a minute, in the mean; fewer on a machine that does not keep up. */
  perMinute: number;
  /** By which the replies of every other chat leave; the others' are fetched. */
  channel: string;
  signal: AbortSignal;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #dice: Dice;
  readonly #next: Deck<Doing>;
  readonly #underWay = new Set<Promise<void>>();
  /** Numbers of chats that have written. */
  readonly #known: number[] = [];
  #messages = 0;
  #newcomers = 0;
  #leave = new AbortController();
  #failure: unknown = null;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#dice = options.dice.named("load");
    const deck = Object.entries(doings).flatMap(([doing, times]) => Array<Doing>(times).fill(doing as Doing));
    this.#next = deckOf(deck, options.dice.named("doings"));
  }

  get chats(): number {
    return this.#known.length;
  }

  /** Lasts `ms`, and until everything is at rest: all answered, all sessions idle or dormant, nobody following. */
  async run(ms: number): Promise<void> {
    const { perMinute, signal } = this.#options;
    for (const until = performance.now() + ms; ; ) {
      const restMs = -Math.log(1 - this.#dice.fraction()) * (60_000 / perMinute);
      const left = until - performance.now();
      await pause(Math.min(restMs, Math.max(0, left)), signal);
      while (this.#underWay.size >= mostAtOnce) await Promise.race(this.#underWay);
      if (this.#failure !== null) throw this.#failure;
      if (restMs >= left) break;
      this.#begin(this.#next());
    }
    await this.#calmDown();
  }

  #begin(doing: Doing): void {
    const work = this.#do(doing)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #do(doing: Doing): Promise<void> {
    const { operator } = this.#options;
    switch (doing) {
      case "write":
        return this.#ended(await this.#send(this.#writer(), "quick"));
      case "write and wait":
        return void (await this.#send(this.#writer(), "quick", {}, "?wait=60"));
      case "look around":
        return this.#withKnown((chatId) => operator.lookAround(chatId));
      case "use a tool":
        return this.#ended(await this.#send(this.#writer(), "tool"));
      case "meet an overload":
        return this.#ended(await this.#send(this.#writer(), "overloaded"));
      case "rename":
        return this.#ended(await this.#send(this.#writer(), "quick", { name: `Anna ${this.#messages}` }));
      case "write twice":
        return this.#inMidTurn(async (chat) => this.#ended(await this.#send(chat, "quick")));
      case "stop":
        return this.#inMidTurn((chat) => this.#stop(chat));
      case "kill":
        return this.#inMidTurn((chat) => operator.kill(idOf(chat)));
      case "follow":
        return void this.#follow();
      default:
        return this.#withKnown((chatId) => operator.act(chatId, doing));
    }
  }

  #writer(): number {
    const { chats } = this.#options;
    const share = this.#dice.fraction();
    if (share < shares.regular) return this.#dice.whole(1, regulars);
    if (share < shares.regular + shares.newcomer) return chats + ++this.#newcomers;
    return this.#dice.whole(1, chats);
  }

  /** With a chat that has written, as soon as there is one. */
  async #withKnown(work: (chatId: string) => Promise<void>): Promise<void> {
    if (this.#known.length > 0) await work(idOf(this.#dice.pick(this.#known)));
  }

  /** Resolves with the message's id when it is accepted. */
  async #send(chat: number, order: Order, contact: object = {}, query = ""): Promise<string> {
    const text = textOf(order, ++this.#messages);
    return await this.#post(chat, { text, contact: { tier, ...contact } }, query);
  }

  async #post(chat: number, body: object, query = ""): Promise<string> {
    const { client, channel } = this.#options;
    const way = hasChannel(chat) ? { channel, route: { lane: chat } } : {};
    const path = chatPath(idOf(chat), `/messages${query}`);
    const { id } = await client.post<MessageView>(path, { ...body, ...way });
    if (!this.#known.includes(chat)) this.#known.push(chat);
    return id;
  }

  async #ended(messageId: string): Promise<void> {
    const { story, signal } = this.#options;
    await orAbort(
      story.until(() => story.hasEnded(messageId)),
      signal,
    );
  }

  async #inMidTurn(work: (chat: number) => Promise<void>): Promise<void> {
    const { story, signal } = this.#options;
    const chat = this.#writer();
    const messageId = await this.#send(chat, "slow");
    await orAbort(
      story.until(() => story.hasBegun(messageId)),
      signal,
    );
    await work(chat);
    await this.#ended(messageId);
  }

  /** As whoever writes by a channel does, or as operators do. */
  async #stop(chat: number): Promise<void> {
    if (hasChannel(chat)) await this.#ended(await this.#post(chat, { text: "stop" }));
    else await this.#options.operator.act(idOf(chat), "stop");
  }

  /** All chats' events or one's, for some seconds; then the connection is cut. */
  #follow(): void {
    const { client } = this.#options;
    const one = this.#known.length > 0 && this.#dice.chance(0.5);
    const path = one ? chatPath(idOf(this.#dice.pick(this.#known)), "/events") : "/v1/events";
    const forMs = 1000 * this.#dice.whole(1, longestFollowing);
    const signal = AbortSignal.any([this.#leave.signal, AbortSignal.timeout(forMs)]);
    const read = async () => {
      const { body } = await client.stream(path, undefined, signal);
      await body?.pipeTo(new WritableStream(), { signal });
    };
    read().catch((error: unknown) => {
      if (!signal.aborted) this.#failure ??= error;
    });
  }

  async #calmDown(): Promise<void> {
    const { story, operator, signal } = this.#options;
    this.#leave.abort();
    this.#leave = new AbortController();
    await Promise.all(this.#underWay);
    if (this.#failure !== null) throw this.#failure;
    await orAbort(
      story.until(() => story.isQuiet),
      signal,
    );
    await operator.atRest();
  }
}

function idOf(chat: number): string {
  return `chat-${chat}`;
}

function hasChannel(chat: number): boolean {
  return chat % 2 === 0;
}
