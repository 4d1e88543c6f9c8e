/**
 * The real daemon, in a process of its own, in a state in which accepting is all that it does: its one process slot is
 * held by a turn whose model request is never answered, and every chat has an open message and waits in line for
 * that slot. So further messages are checked, stored and acknowledged, and start nothing.
 */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { Connection } from "./connection.ts";
import { openModel } from "./model.ts";
import { orAbort } from "./run.ts";
import { chatsInTurn, sampleChats, sampleText } from "./sample.ts";

export interface AcceptingDaemon {
  /** Posts one message; resolves when it is acknowledged. At most `maxCallers` at a time. */
  accept(): Promise<void>;
}

const main = join(import.meta.dirname, "../src/cli/main.ts");
/** Of a message, what is read here. */
const answer = z.object({ id: z.string(), waiting: z.object({ for: z.string() }).nullable() });

const tier = "family";
const config = `[processes]
max = 1
# The turn that hangs is not waited for at the end.
drain_seconds = 0.1
`;

/** What it opens is closed by `closing`. Rejects when `signal` aborts first. */
export async function startAcceptingDaemon(
  home: string,
  maxCallers: number,
  closing: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<AcceptingDaemon> {
  const model = await openModel("hangs");
  closing.defer(() => model.close());
  mkdirSync(home);
  writeFileSync(join(home, "switchboard.toml"), config);
  const daemon = spawnDaemon(home, model.url);
  closing.defer(() => daemon.end());
  const { url, token } = await orAbort(daemon.started, signal);
  const ask = async (path: string, body?: object): Promise<z.output<typeof answer>> => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(url + path, { ...init, headers, signal });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return answer.parse(await response.json());
  };

  const holder = { text: `Message ${randomUUID()}`, contact: { tier } };
  const held = model.arrival(holder.text);
  await ask("/v1/chats/holder/messages", holder);
  await orAbort(held, signal);
  const first = { text: sampleText, contact: { tier } };
  const waiting = await Promise.all(sampleChats.map((chatId) => ask(`/v1/chats/${chatId}/messages`, first)));
  for (const { id } of waiting) {
    while ((await ask(`/v1/messages/${id}`)).waiting?.for !== "slot") await sleep(10);
  }

  const connections = Array.from({ length: maxCallers }, () => new Connection(new URL(url)));
  closing.defer(() => {
    for (const connection of connections) connection.close();
  });
  const free = [...connections];
  const reconnect = (closed: Connection) => {
    const connection = new Connection(new URL(url));
    connections[connections.indexOf(closed)] = connection;
    return connection;
  };
  const nextChat = chatsInTurn();
  const headers = `authorization: Bearer ${token}\r\ncontent-type: application/json\r\n`;
  return {
    async accept() {
      const kept = free.pop();
      if (kept === undefined) throw new Error("more callers than connections");
      const connection = kept.isClosed ? reconnect(kept) : kept;
      const body = JSON.stringify({ text: sampleText, id: randomUUID() });
      const status = await connection.post(`/v1/chats/${nextChat()}/messages`, headers, body);
      if (status !== 202) throw new Error(`a message was answered with ${status}`);
      free.push(connection);
    },
  };
}

export interface DaemonProcess {
  started: Promise<{ url: string; token: string }>;
  end(): Promise<void>;
}

/** As `start` starts it, on a home that is there; without `modelUrl` on the offline model. */
export function spawnDaemon(home: string, modelUrl?: string): DaemonProcess {
  const upstream = modelUrl === undefined ? {} : { ANTHROPIC_BASE_URL: modelUrl };
  const child = spawn(process.execPath, [main, "start", "--json", "--home", home, "--port", "0"], {
    env: { PATH: process.env.PATH, HOME: home, ...upstream },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exit = once(child, "exit");
  const said = once(child.stdout, "data").then(([line]) => {
    const { url, tokenFile } = JSON.parse(String(line));
    return { url, token: readFileSync(tokenFile, "utf8").trim() };
  });
  const ended = exit.then(([code]) => {
    throw new Error(`the daemon ended with ${code} before it had started`);
  });
  return {
    started: Promise.race([said, ended]),
    async end() {
      child.kill("SIGTERM");
      await exit;
    },
  };
}
