/**
 * From accepting a message to the model's request: the clock starts when the message is handed over and ends when the
 * model's server has the request that carries it. Switchboard and the bare Agent SDK take turns on the same model.
 */

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Launch } from "../src/claude/index.ts";
import { parseConfig } from "../src/config.ts";
import { open, type Switchboard } from "../src/index.ts";
import { BareProcess, bareOptions } from "./bare.ts";
import { type Model, openModel } from "./model.ts";
import { shippedPolicy } from "./pasts.ts";
import { openPlainSqlite } from "./plain.ts";
import { compared, latencyRow, type Row } from "./report.ts";
import { inTurns, type Measure, type Run } from "./run.ts";
import { askSwitchboard, exchange } from "./sides.ts";

/** How often each case is measured. */
export interface LatencyCounts {
  live: number;
  resumed: number;
  new: number;
}

/** What Switchboard does in each case. */
interface Ours {
  live: Measure;
  resumed: Measure;
  woken: Measure;
  new: Measure;
  spare: Measure;
}

/** What a host can do with the bare SDK. */
interface Bare {
  /** Its input stays open. */
  stream: Measure;
  /** A `query()` with `resume` for each message. */
  resume: Measure;
  /** A `query()` in a fresh folder. */
  cold: Measure;
  /** `startup()` with `resume`, so long ahead. */
  startupResume: Measure;
  /** `startup()`, done before the message comes. */
  startupCold: Measure;
}

/** ms from the first sign that somebody writes until the message is there. */
const aheadMs = 1000;

interface Case {
  name: string;
  ours: keyof Ours;
  /** What Switchboard is compared with. */
  rivals: ReadonlyArray<keyof Bare>;
  count: keyof LatencyCounts;
  /** Rounds that do not count. */
  warmUp: number;
}

const cases: readonly Case[] = [
  // The first turn starts the process; the others warm up compiled code and caches of both sides.
  { name: "a live session", ours: "live", rivals: ["stream"], count: "live", warmUp: 5 },
  // The first turn begins the conversation that is resumed.
  { name: "a dormant session", ours: "resumed", rivals: ["resume"], count: "resumed", warmUp: 2 },
  {
    name: "a dormant session, `wake` 1 s ahead",
    ours: "woken",
    rivals: ["startupResume", "cold"],
    count: "resumed",
    warmUp: 2,
  },
  { name: "a new session", ours: "new", rivals: ["cold"], count: "new", warmUp: 1 },
  {
    name: "a new session, with a spare",
    ours: "spare",
    rivals: ["startupCold", "cold"],
    count: "new",
    warmUp: 2,
  },
];

const rivalNames: Record<keyof Bare, string> = {
  stream: "bare SDK, open stream",
  resume: "bare SDK, `resume`",
  cold: "bare SDK, cold `query()`",
  startupResume: "bare SDK, `startup()` with `resume`, 1 s ahead",
  startupCold: "bare SDK, `startup()`",
};

export async function measureLatency(counts: LatencyCounts, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  const model = await openModel("answers");
  closing.defer(() => model.close());
  const ours = await openOurs(model, run, closing);
  const bare = new BareSide(model, join(run.folder, "bare"), run.signal);
  closing.defer(() => bare.end());
  const sqlite = openPlainSqlite(join(run.folder, "commits.db"), ["chat"]);
  closing.defer(() => sqlite.close());

  const commit: Measure = async () => sqlite.write(1);
  const rows: Row[] = [];
  for (const { name, ours: kind, rivals, count, warmUp } of cases) {
    const measure = `accept → model request, ${name}`;
    run.say(`${measure}: ${counts[count]} rounds`);
    const contenders = [ours[kind], ...rivals.map((rival) => bare[rival]), commit];
    await inTurns(Math.min(warmUp, counts[count]), contenders, run);
    const [a = [], ...others] = await inTurns(counts[count], contenders, run);
    const names = [...rivals.map((rival) => rivalNames[rival]), "one commit (plain SQLite)"];
    const theirs = others.map((samples, at) => latencyRow(measure, names[at] ?? "", samples));
    const against = Object.fromEntries(
      rivals.flatMap((rival, at) => {
        const row = theirs[at];
        return row === undefined ? [] : [[rivals.length === 1 ? "bare" : rival, row]];
      }),
    );
    rows.push(compared(latencyRow(measure, "Switchboard", a), against), ...theirs);
  }
  return rows;
}

/** One Switchboard that keeps no spare, and one that keeps one. */
async function openOurs(model: Model, run: Run, closing: AsyncDisposableStack): Promise<Ours> {
  const openOne = async (name: string, spares: number): Promise<Switchboard> => {
    const config = parseConfig(`processes.spares = ${spares}`, "the bench's config");
    const switchboard = await open({
      home: join(run.folder, name),
      upstream: { baseUrl: model.url },
      config,
    });
    // In a hurry, for a run that is ended early is in mid-turn.
    closing.defer(() => switchboard.close({ hurry: AbortSignal.abort() }));
    return switchboard;
  };
  const plain = await openOne("home", 0);
  const withSpare = await openOne("home-with-spare", 1);
  const ask = async (switchboard: Switchboard, chatId: string): Promise<number> => {
    const asking = (text: string) => askSwitchboard(switchboard, chatId, text);
    return (await exchange(model, run.signal, asking)).requestMs;
  };
  const askOnce = async (switchboard: Switchboard, chatId: string): Promise<number> => {
    const ms = await ask(switchboard, chatId);
    await switchboard.closeChat(chatId);
    return ms;
  };
  return {
    live: () => ask(plain, "live"),
    resumed: () => askOnce(plain, "resumed"),
    async woken() {
      // Not in the first round, which begins the conversation.
      await plain.wake("woken").catch(() => {});
      await sleep(aheadMs, undefined, { signal: run.signal });
      return await askOnce(plain, "woken");
    },
    new: () => askOnce(plain, `new-${randomUUID()}`),
    async spare() {
      const ms = await askOnce(withSpare, `new-${randomUUID()}`);
      // The next one starts while nobody is measured.
      while (withSpare.host.processes.spares === 0) await sleep(10, undefined, { signal: run.signal });
      return ms;
    },
  };
}

class BareSide implements Bare {
  readonly #model: Model;
  readonly #spaces: string;
  readonly #signal: AbortSignal;
  readonly #policy = shippedPolicy();
  readonly #processes = new Set<BareProcess>();
  #open: BareProcess | null = null;
  /** Of the conversations that are resumed. */
  readonly #sessions = new Map<keyof Bare, string>();

  constructor(model: Model, spaces: string, signal: AbortSignal) {
    this.#model = model;
    this.#spaces = spaces;
    this.#signal = signal;
  }

  stream = async (): Promise<number> => {
    this.#open ??= await this.#process(newSession());
    return await this.#ask(this.#open);
  };

  resume = async (): Promise<number> => await this.#askOnce(await this.#process(this.#sessionOf("resume")));

  cold = async (): Promise<number> => await this.#askOnce(await this.#process(newSession()));

  startupResume = async (): Promise<number> => {
    const process = await this.#process(this.#sessionOf("startupResume"));
    await Promise.all([process.warm(), sleep(aheadMs, undefined, { signal: this.#signal })]);
    return await this.#askOnce(process);
  };

  startupCold = async (): Promise<number> => {
    const process = await this.#process(newSession());
    await process.warm();
    return await this.#askOnce(process);
  };

  async end(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process.end()));
  }

  /** The same conversation each time. */
  #sessionOf(kind: keyof Bare): Launch["session"] {
    const known = this.#sessions.get(kind);
    const session = known === undefined ? newSession() : { mode: "resume" as const, sdkSessionId: known };
    this.#sessions.set(kind, session.sdkSessionId);
    return session;
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
    return (await exchange(this.#model, this.#signal, (text) => process.ask(text))).requestMs;
  }
}

function newSession(): Launch["session"] {
  return { mode: "create", sdkSessionId: randomUUID() };
}
