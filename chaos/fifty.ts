/**
 * How long a dead daemon is missed: it is killed while every chat is in the middle of a turn, and started again; what is
 * measured is the time until every message has its end. No other fault strikes.
 */

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Dice } from "./dice.ts";
import { type FaultRecord, files, Journal, type RequestRecord } from "./evidence.ts";
import { LedgerEye } from "./ledger-eye.ts";
import { startModel } from "./model.ts";
import { textOf } from "./orders.ts";
import { World } from "./world.ts";

export interface Recovered {
  readonly chats: number;
  /** ms from the start of the next daemon. */
  readonly acceptsAfter: number;
  readonly firstEndAfter: number;
  readonly lastEndAfter: number;
  /** How the messages ended, and how often. */
  readonly ends: ReadonlyMap<string, number>;
}

/** ms until every chat must be in the middle of its turn, and until every message must have its end. */
const patienceMs = 300_000;
/** ms of the look into the ledger. */
const everyMs = 50;

const config = `log_level = "info"

[processes]
max = 50
`;

/** `folder` is the caller's to remove, and empty. */
export async function measureRecovery(
  folder: string,
  chats: number,
  signal: AbortSignal,
): Promise<Recovered> {
  const requests = new Journal<RequestRecord>(join(folder, files.requests));
  const faults = new Journal<FaultRecord>(join(folder, files.faults));
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  let holding = true;
  const model = await startModel({
    requests,
    faults,
    generationOf: () => null,
    clockIsRight: () => false,
    // Nobody comes to an answer before the daemon is dead.
    onAsked: () => (holding ? over : null),
  });
  const world = new World({ folder, modelUrl: model.url, config, storageSuffered: () => false });
  const eye = new LedgerEye(world.home);
  try {
    const dice = new Dice("fifty");
    const posts = Array.from({ length: chats }, (_, i) => {
      const orders = { nonce: `nonce-${dice.hex(8)}`, slow: false, tools: 0, trouble: null, poison: false };
      return { chatId: `chat-${i + 1}`, body: { text: textOf(orders), contact: { tier: "admin" } } };
    });
    for (const { chatId, body } of posts) await world.call("POST", `/v1/chats/${chatId}/messages`, body);
    await until(() => eye.turnsUnderWay() === chats, signal, "every chat is in the middle of its turn");
    holding = false;
    const killed = world.daemon;
    world.strike("SIGKILL");
    end();
    await until(
      () => world.daemon !== null && world.daemon !== killed,
      signal,
      "the daemon is started again",
    );
    const began = performance.now();
    await world.ready();
    const acceptsAfter = performance.now() - began;
    const ended = () => [...eye.ends().values()].reduce((sum, n) => sum + n, 0);
    await until(() => ended() > 0, signal, "a message has its end");
    const firstEndAfter = performance.now() - began;
    await until(() => ended() === chats, signal, "every message has its end");
    const lastEndAfter = performance.now() - began;
    const ends = eye.ends();
    await world.shutDown(patienceMs);
    return { chats, acceptsAfter, firstEndAfter, lastEndAfter, ends };
  } finally {
    end();
    eye.close();
    await world.end();
    await model.close();
    requests.close();
    faults.close();
  }
}

export function lineOf({ chats, acceptsAfter, firstEndAfter, lastEndAfter, ends }: Recovered): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const how = [...ends].map(([status, n]) => `${n} ${status}`).join(", ");
  return `killed with ${chats} chats in mid-turn: accepts after ${seconds(acceptsAfter)}, first end after ${seconds(firstEndAfter)}, last after ${seconds(lastEndAfter)} (${how})`;
}

async function until(holds: () => boolean, signal: AbortSignal, what: string): Promise<void> {
  for (const limit = performance.now() + patienceMs; !holds(); await pause(everyMs)) {
    signal.throwIfAborted();
    if (performance.now() > limit) throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
  }
}
