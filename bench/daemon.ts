/**
 * The real daemon, in a process of its own, in a state in which accepting is all that it does: its one process slot is
 * held by a turn whose model request is never answered, and every chat has an open message and waits in line for
 * that slot. So further messages are checked, stored and acknowledged, and start nothing.
 */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { openModel } from "./model.ts";
import { orAbort } from "./run.ts";
import { chatsInTurn, sampleChats, sampleText } from "./sample.ts";

export interface AcceptingDaemon {
  /** Posts one message; resolves when it is acknowledged. */
  accept(): Promise<unknown>;
}

const config = `[processes]
max = 1
# The turn that hangs is not waited for at the end.
drain_seconds = 0.1
`;

const tier = "family";

const main = join(import.meta.dirname, "../src/cli/main.ts");

/** What it opens is closed by `closing`. Rejects when `signal` aborts first. */
export async function startAcceptingDaemon(
  home: string,
  closing: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<AcceptingDaemon> {
  const model = await openModel("hangs");
  closing.defer(() => model.close());
  const daemon = spawnDaemon(home, model.url);
  closing.defer(() => daemon.end());
  const client = await orAbort(daemon.ready, signal);

  const holder = { text: `Message ${randomUUID()}`, contact: { tier } };
  const held = model.arrival(holder.text);
  await client("POST", "/v1/chats/holder/messages", holder);
  await orAbort(held, signal);
  const first = { text: sampleText, contact: { tier } };
  const posted = await Promise.all(
    sampleChats.map((chatId) => client("POST", `/v1/chats/${chatId}/messages`, first)),
  );
  for (const { id } of posted) await orAbort(inLine(client, id), signal);

  const nextChat = chatsInTurn();
  return {
    accept: () => client("POST", `/v1/chats/${nextChat()}/messages`, { text: sampleText, id: randomUUID() }),
  };
}

async function inLine(client: Client, messageId: string): Promise<void> {
  while ((await client("GET", `/v1/messages/${messageId}`)).waiting?.for !== "slot") await sleep(20);
}

interface Answer {
  id: string;
  waiting?: { for: string } | null;
}

/** Rejects when the answer is not one of success. */
type Client = (method: string, path: string, body?: object) => Promise<Answer>;

function spawnDaemon(home: string, modelUrl: string): { ready: Promise<Client>; end(): Promise<void> } {
  mkdirSync(home);
  writeFileSync(join(home, "switchboard.toml"), config);
  const child = spawn(process.execPath, [main, "start", "--json", "--home", home, "--port", "0"], {
    env: { PATH: process.env.PATH, HOME: home, ANTHROPIC_BASE_URL: modelUrl },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exit = once(child, "exit");
  const said = once(child.stdout, "data").then(([line]) => {
    const { url, tokenFile } = JSON.parse(String(line));
    return clientOf(url, readFileSync(tokenFile, "utf8").trim());
  });
  const ended = exit.then(([code]) => {
    throw new Error(`the daemon ended with ${code} before it was ready`);
  });
  return {
    ready: Promise.race([said, ended]),
    async end() {
      child.kill("SIGTERM");
      await exit;
    },
  };
}

/** Node's plain client on connections that are kept: the leanest that a host would use. */
function clientOf(url: string, token: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const asked = request(url + path, { agent, method, headers }, (response) => {
        const { statusCode = 0 } = response;
        json(response).then(
          (answer) =>
            statusCode < 300
              ? resolve(answer as Answer)
              : reject(new Error(`${method} ${path}: ${statusCode}`)),
          reject,
        );
      });
      asked.once("error", reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
}
