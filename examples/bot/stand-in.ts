/**
 * A stand-in of the Bot API on this machine, with two people who write to the bot, each line when the last is answered.
 * No bot needs any of this: it is there so that the example runs without the internet.
 */

import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { Update } from "./api.ts";

export interface StandIn {
  url: string;
  /** What the bot sent, and that it types, in order. */
  calls: Array<{ method: string; chat: number; text: string | undefined }>;
  /** Resolves when everybody has said everything and has been answered. */
  done: Promise<void>;
  close(): void;
}

interface Parameters {
  offset: number;
  chat_id: number;
  text?: string;
}

/**
 * The first confirmation is lost, and what it confirmed comes again, as after a bot that died before it. `onLost` is called
 * before anything else is answered.
 */
export async function startStandIn(onLost = () => {}): Promise<StandIn> {
  const people = [
    { id: 101, first_name: "Ada", unsaid: ["I like tea.", "What did I say?"] },
    { id: 102, first_name: "Ben", unsaid: ["I like coffee.", "What did I say?"] },
  ];
  const news = new EventEmitter();
  const calls: StandIn["calls"] = [];
  let updates: Update[] = [];
  // Beyond those of any earlier run, which the bot has not forgotten.
  let lastId = Date.now();
  let unanswered = 0;
  let lost = false;

  const sayNext = ({ id, first_name, unsaid }: (typeof people)[number]) => {
    const text = unsaid.shift();
    if (text === undefined) return;
    lastId += 1;
    unanswered += 1;
    updates.push({
      update_id: lastId,
      message: { text, from: { id, first_name }, chat: { id, type: "private" } },
    });
    news.emit("update");
  };
  const confirm = (offset: number) => {
    const left = updates.filter(({ update_id }) => update_id >= offset);
    if (left.length < updates.length && !lost) {
      lost = true;
      onLost();
    } else {
      updates = left;
    }
  };
  const answer = async (method: string, { offset, chat_id: chat, text }: Parameters) => {
    if (method === "getUpdates") {
      confirm(offset);
      if (updates.length === 0) await once(news, "update");
      return updates;
    }
    calls.push({ method, chat, text });
    const person = people.find(({ id }) => id === chat);
    if (method === "sendMessage" && person !== undefined) {
      unanswered -= 1;
      sayNext(person);
      if (unanswered === 0) news.emit("done");
    }
    return true;
  };

  const done = once(news, "done").then(() => {});
  for (const person of people) sayNext(person);
  const server = createServer(async (request, response) => {
    const parameters = (await json(request)) as Parameters;
    const result = await answer(request.url?.split("/").at(-1) ?? "", parameters);
    response.end(JSON.stringify({ ok: true, result }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, calls, done, close };
}
