/**
 * A consumer of the webhook: it takes replies in over HTTP, each once, and from Switchboard alone.
 *
 *     node examples/webhook-consumer.ts        runs it beside a Switchboard, asks a question, and shows what comes
 *
 * - A request counts when its signature fits the bytes that came, and its time is now; until then nothing is read out of it.
 * - 2xx is a promise: the reply is stored before. What is not promised comes again.
 * - What was stored and not promised, because the answer was lost, comes again too: the reply's id, signed like the
 *   rest, tells that it is there.
 */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { buffer } from "node:stream/consumers";
import { loadConfig, open, verifyWebhook } from "../src/index.ts";

const maxBytes = 1024 * 1024;

/** `path`: of the database that replies are stored in. */
export function consumer(path: string, secret: string): Server {
  const database = new DatabaseSync(path);
  database.exec("create table if not exists replies (id text primary key, reply text not null) strict");
  const insert = database.prepare("insert or ignore into replies values (?, ?)");

  /** The status to answer with. */
  const take = async (request: IncomingMessage): Promise<number> => {
    if (!(Number(request.headers["content-length"]) <= maxBytes)) return 413;
    const body = await buffer(request);
    const verdict = verifyWebhook({ headers: request.headers, body }, secret);
    if (verdict.kind === "refused") {
      console.log(`Refused: ${verdict.reason}`);
      return 401;
    }
    const { reply } = verdict;
    // On disk when it returns.
    const { changes } = insert.run(reply.id, JSON.stringify(reply));
    console.log(changes === 1 ? `→ ${reply.chatId}: ${reply.text}` : `Again, stored once: ${reply.id}`);
    return 204;
  };

  const server = createServer(async (request, response) => {
    const status = await take(request).catch((error) => {
      console.error(`! ${error}`);
      return 500;
    });
    response.writeHead(status).end();
  });
  return server.on("close", () => database.close());
}

if (import.meta.main) {
  const home = "./example-home";
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const secret = randomBytes(24).toString("base64");
  const server = consumer(`${home}/replies.db`, secret).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/replies`;

  // In the home of a daemon this file is `switchboard.toml`.
  const config = `${home}/webhook.toml`;
  writeFileSync(config, `[channels.hook]\ntype = "webhook"\nurl = "${url}"\nsecret = "${secret}"\n`, {
    mode: 0o600,
  });
  const { ANTHROPIC_API_KEY: apiKey } = process.env;
  const switchboard = await open({
    home,
    upstream: apiKey ? { apiKey } : "offline",
    config: loadConfig(config),
  });

  const forged = await fetch(url, { method: "POST", body: '{"reply":{"text":"Your account is closed."}}' });
  console.log(`A forged reply is answered ${forged.status}.`);

  // The answer to the first reply is lost on its way back, so that reply comes a second time.
  server.prependOnceListener("request", (_, response) => {
    response.end = () => response.destroy();
  });
  const events = switchboard.events({ chatId: "crm:42", text: false });
  const contact = { name: "Ada", tier: "family" };
  await switchboard.receive("crm:42", {
    text: "When do you open?",
    contact,
    channel: "hook",
    route: { ticket: 7 },
  });
  for await (const event of events) {
    if (event.type === "reply" && event.reply.status === "sent") break;
  }
  await switchboard.close();
  server.close();
}
