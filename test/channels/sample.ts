/**
 * A messenger as there are many, with its channel. Chats have threads; what people write is delivered to a webhook, and
 * more than once; what was posted is acknowledged by a call of that webhook, some time after it was shown.
 */

import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import {
  type AfterCrash,
  type Channel,
  type ChannelHost,
  NotSentError,
  type OutboundReply,
  type SendResult,
} from "../../src/channels/index.ts";
import { SwitchboardError } from "../../src/errors.ts";

/** A reply as it reached the messenger. */
export interface Post {
  key: string;
  chatId: string;
  thread: string;
  text: string;
  attempt: number;
  mayBeDouble: boolean;
}

/** What the messenger does with a post. */
export type Deed =
  /** Shows and acknowledges it; one with a known key is only acknowledged. */
  | "show"
  /** Shows it, and never says so. */
  | "show in silence"
  /** Says that it does not take it now, or not at all. */
  | "put off"
  | "refuse"
  /** The line breaks while it is handed over, or there is none. */
  | "break"
  | "be away";

type Call =
  | { type: "message"; chatId: string; thread: string; id: string; text: string }
  | { type: "typing"; chatId: string }
  | { type: "acknowledged"; key: string; result: SendResult };

export class SampleMessenger {
  /** Where it calls its channel; set by that. */
  webhook = "";
  /** Whatever was posted, in order, each attempt. */
  readonly posts: Post[] = [];
  /** What people see, in order. */
  readonly shown: Post[] = [];
  does: (post: Post) => Deed | Promise<Deed> = () => "show";

  /** What people write is delivered twice, as by a messenger that missed the first acknowledgement. The answers' statuses. */
  async write(chatId: string, thread: string, id: string, text: string): Promise<number[]> {
    const call: Call = { type: "message", chatId, thread, id, text };
    return [await this.#call(call), await this.#call(call)];
  }

  async type(chatId: string): Promise<void> {
    await this.#call({ type: "typing", chatId });
  }

  async post(post: Post): Promise<void> {
    this.posts.push(post);
    const deed = await this.does(post);
    switch (deed) {
      case "show":
        this.#show(post);
        return void this.acknowledge(post.key);
      case "show in silence":
        return this.#show(post);
      case "put off":
      case "refuse":
        return void this.acknowledge(post.key, {
          kind: "refused",
          reason: `the messenger would ${deed} it`,
          retry: deed === "put off",
        });
      case "break":
        throw new Error("the line broke");
      case "be away":
        throw new NotSentError("nobody is there");
    }
  }

  async acknowledge(key: string, result: SendResult = { kind: "sent" }): Promise<void> {
    await this.#call({ type: "acknowledged", key, result });
  }

  #show(post: Post): void {
    if (!this.shown.some(({ key }) => key === post.key)) this.shown.push(post);
  }

  /** The status; 0 when nobody was there. */
  async #call(call: Call): Promise<number> {
    const init = { method: "POST", body: JSON.stringify(call) };
    return await fetch(this.webhook, init).then(
      ({ status }) => status,
      () => 0,
    );
  }
}

export class SampleChannel implements Channel {
  readonly name = "sample";
  readonly afterCrash: AfterCrash;
  readonly expireMs?: number;
  readonly stopWords = ["stop"];
  readonly #messenger: SampleMessenger;
  readonly #awaited = new Map<string, (result: SendResult) => void>();
  #host: ChannelHost | null = null;
  readonly #server = createServer((request, response) => {
    void text(request)
      .then((body) => this.#take(JSON.parse(body)))
      .then((status) => response.writeHead(status).end());
  });

  constructor(messenger: SampleMessenger, afterCrash: AfterCrash, expireMs?: number) {
    this.#messenger = messenger;
    this.afterCrash = afterCrash;
    if (expireMs !== undefined) this.expireMs = expireMs;
  }

  async start(host: ChannelHost): Promise<void> {
    this.#host = host;
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.#messenger.webhook = `http://127.0.0.1:${address.port}/`;
  }

  async send(reply: OutboundReply, key: string, signal: AbortSignal): Promise<SendResult> {
    const { chatId, text, attempt, mayBeDouble } = reply;
    const acknowledged = Promise.withResolvers<SendResult>();
    this.#awaited.set(key, acknowledged.resolve);
    signal.addEventListener("abort", () => acknowledged.reject(signal.reason), { once: true });
    await this.#messenger.post({ key, chatId, thread: threadOf(reply), text, attempt, mayBeDouble });
    return await acknowledged.promise;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** The status that the messenger is answered with: it delivers again what was not accepted. */
  async #take(call: Call): Promise<number> {
    switch (call.type) {
      case "message": {
        const { chatId, thread, id, text } = call;
        try {
          await this.#host?.receive(chatId, { id, text, route: { thread } });
          return 200;
        } catch (error) {
          return error instanceof SwitchboardError && error.code === "draining" ? 503 : 400;
        }
      }
      case "typing":
        this.#host?.typing(call.chatId);
        return 200;
      case "acknowledged":
        this.#awaited.get(call.key)?.(call.result);
        return 200;
    }
  }
}

function threadOf({ route }: OutboundReply): string {
  if (typeof route === "object" && route !== null && "thread" in route && typeof route.thread === "string") {
    return route.thread;
  }
  throw new NotSentError(`a route without a thread: ${JSON.stringify(route)}`);
}
