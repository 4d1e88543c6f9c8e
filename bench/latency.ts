/**
 * From accepting a message to the model's request: the clock starts when the message is handed over and ends when the
 * model's server has the request that carries it. Switchboard and the bare Agent SDK take turns on the same model.
 */

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Launch } from "../src/claude/index.ts";
import { defaultConfig } from "../src/config.ts";
import { type Policy, tiersOf } from "../src/contacts/tiers.ts";
import { open, type Switchboard } from "../src/index.ts";
import { BareProcess, bareOptions } from "./bare.ts";
import { type Model, openModel } from "./model.ts";
import { openPlainSqlite } from "./plain.ts";
import { compared, latencyRow, type Row } from "./report.ts";
import { hangsAfterMs, inTurns, type Measure, type Run } from "./run.ts";

/** How often each case is measured. */
export interface LatencyCounts {
  live: number;
  resumed: number;
  new: number;
}

/** What each side does in each case. */
type Side = Record<keyof LatencyCounts, Measure>;

/** Both sides ask with this tier's model, prompt and tools. */
const tier = "family";

const cases: ReadonlyArray<{ kind: keyof LatencyCounts; name: string; rival: string; warmUp: number }> = [
  // The first turn starts the process; the others warm up compiled code and caches of both sides.
  { kind: "live", name: "a live session", rival: "bare SDK, open stream", warmUp: 5 },
  // The first turn begins the conversation that is resumed.
  { kind: "resumed", name: "a resumed session", rival: "bare SDK, `resume`", warmUp: 2 },
  { kind: "new", name: "a new session", rival: "bare SDK, cold `query()`", warmUp: 1 },
];

export async function measureLatency(counts: LatencyCounts, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  const model = await openModel("answers");
  closing.defer(() => model.close());
  const switchboard = await open({ home: join(run.folder, "home"), upstream: { baseUrl: model.url } });
  // In a hurry, for a run that is ended early is in mid-turn.
  closing.defer(() => switchboard.close({ hurry: AbortSignal.abort() }));
  const bare = new BareSide(model, join(run.folder, "bare"), run.signal);
  closing.defer(() => bare.end());
  const sqlite = openPlainSqlite(join(run.folder, "commits.db"), ["chat"]);
  closing.defer(() => sqlite.close());

  const ours = switchboardSide(switchboard, model);
  const commit: Measure = async () => sqlite.write(1);
  const rows: Row[] = [];
  for (const { kind, name, rival, warmUp } of cases) {
    const measure = `accept → model request, ${name}`;
    run.say(`${measure}: ${counts[kind]} rounds`);
    const contenders = [ours[kind], bare[kind], commit];
    await inTurns(Math.min(warmUp, counts[kind]), contenders, run);
    const [a = [], b = [], c = []] = await inTurns(counts[kind], contenders, run);
    const theirs = latencyRow(measure, rival, b);
    rows.push(
      compared(latencyRow(measure, "Switchboard", a), { bare: theirs }),
      theirs,
      latencyRow(measure, "one commit (plain SQLite)", c),
    );
  }
  return rows;
}

function switchboardSide(switchboard: Switchboard, model: Model): Side {
  const ask = async (chatId: string): Promise<number> => {
    const text = `Message ${randomUUID()}`;
    const arrival = model.arrival(text);
    const begun = performance.now();
    const { message } = await switchboard.receive(chatId, { text, id: randomUUID(), contact: { tier } });
    const ms = (await arrival) - begun;
    const { status } = await switchboard.settled(message.id, { timeoutMs: hangsAfterMs });
    if (status !== "answered") throw new Error(`a message ended as ${status}`);
    return ms;
  };
  const askOnce = async (chatId: string): Promise<number> => {
    const ms = await ask(chatId);
    await switchboard.closeChat(chatId);
    return ms;
  };
  return {
    live: () => ask("live"),
    resumed: () => askOnce("resumed"),
    new: () => askOnce(`new-${randomUUID()}`),
  };
}

class BareSide implements Side {
  readonly #model: Model;
  readonly #spaces: string;
  readonly #signal: AbortSignal;
  readonly #policy = shippedPolicy(tier);
  readonly #processes = new Set<BareProcess>();
  #live: BareProcess | null = null;
  #resumed: string | null = null;

  constructor(model: Model, spaces: string, signal: AbortSignal) {
    this.#model = model;
    this.#spaces = spaces;
    this.#signal = signal;
  }

  live = async (): Promise<number> => {
    this.#live ??= await this.#process(newSession());
    return await this.#ask(this.#live);
  };

  resumed = async (): Promise<number> => {
    const session =
      this.#resumed === null ? newSession() : { mode: "resume" as const, sdkSessionId: this.#resumed };
    this.#resumed = session.sdkSessionId;
    return await this.#askOnce(await this.#process(session));
  };

  new = async (): Promise<number> => this.#askOnce(await this.#process(newSession()));

  async end(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process.end()));
  }

  async #process(session: Launch["session"]): Promise<BareProcess> {
    const process = new BareProcess(await bareOptions(this.#spaces, this.#policy, this.#model.url, session));
    this.#signal.throwIfAborted();
    this.#processes.add(process);
    return process;
  }

  async #askOnce(process: BareProcess): Promise<number> {
    const ms = await this.#ask(process);
    await process.end();
    this.#processes.delete(process);
    return ms;
  }

  async #ask(process: BareProcess): Promise<number> {
    const text = `Message ${randomUUID()}`;
    const arrival = this.#model.arrival(text);
    const begun = performance.now();
    process.send(text);
    const [at] = await Promise.all([arrival, process.answered()]);
    return at - begun;
  }
}

function newSession(): Launch["session"] {
  return { mode: "create", sdkSessionId: randomUUID() };
}

function shippedPolicy(name: string): Policy {
  const policy = tiersOf(defaultConfig().tiers).get(name);
  if (policy === undefined) throw new Error(`no tier ${name} is shipped`);
  return policy;
}
