/**
 * Many chats write at random, and there are far fewer processes: how much of what the machine can do at best comes of it.
 *
 * A closed loop: each of some callers sends a message to a chat, waits for its answer and goes on with another chat, drawn
 * evenly from those that await no answer themselves. All chats have a past (pasts.ts), so that each start resumes a
 * conversation, the first one of a chat as any other: a new one would cost about the same, but would be something else.
 *
 * The best is a formula. With m = the share of messages for which a process has to be started, and k = the processes, or the
 * callers where they are fewer:
 *
 *   messages a second = 1 / (m × start / k + (1 − m) × turn / k)
 *
 * - `start`: mean time for which a message holds its place when k places do nothing but resume a chat on the bare SDK, have
 *   its turn and end the process, all k at once. The end is part of it: when the house is full, nobody can start before
 *   somebody has gone. How long it takes has a row of its own.
 * - `turn`: the same on streams of the bare SDK that are open, k at once.
 * - m = 1 − processes / chats. Of chats drawn evenly nobody who does not know the future finds more of them alive. Where more
 *   callers wait than there are processes nobody finds any: whoever is idle makes room at once.
 */

import { join } from "node:path";
import type { Switchboard } from "../src/index.ts";
import type { BareProcess } from "./bare.ts";
import { chatIdOf } from "./homes.ts";
import { LruPool } from "./lru.ts";
import { type Model, openModel } from "./model.ts";
import { BareChats, makeHomeOf, makePasts } from "./pasts.ts";
import { compared, computedRate, latencyRow, type Row, rateRow } from "./report.ts";
import type { Run } from "./run.ts";
import { askSwitchboard, type Exchange, exchange, inRounds } from "./sides.ts";
import { mean } from "./statistics.ts";

export interface CrowdPlan {
  chats: number;
  processes: number;
  callers: number;
  /** How often each contender has its turn. */
  rounds: number;
  /** How long what counts of a turn is; that on open streams is a tenth of it, for it is about much less. */
  seconds: number;
}

/** Of the draws; each round has the next one, the same for all contenders. */
const seed = 1;

interface Contender {
  name: string;
  load: Load;
  /** With no process yet. */
  open(): Promise<House>;
  found: Found;
}

interface Load {
  chats: number;
  callers: number;
  places: number;
  forMs: number;
  /** Each chat has had a message before; there must be a place for all. */
  warm: boolean;
}

interface House {
  /** Resolves when the message is answered and, where that is measured, its process is gone. */
  ask(chat: number, text: string): Promise<void>;
  /** Processes that it has started. */
  starts(): Promise<number>;
  close(): Promise<void>;
}

/** `exchanges` and `seconds`: of what counts. `messages` and `starts`: from the empty house on. */
interface Found {
  exchanges: Exchange[];
  seconds: number;
  messages: number;
  starts: number;
}

export async function measureCrowd(plan: CrowdPlan, run: Run): Promise<Row[]> {
  const { chats, processes, callers, rounds, seconds } = plan;
  if (callers > chats) throw new Error(`--callers must not be more than --chats: ${callers}`);
  await using closing = new AsyncDisposableStack();
  const model = await openModel("answers");
  closing.defer(() => model.close());
  const folder = join(run.folder, "crowd");
  run.say(`a crowd: making ${chats} chats with a past`);
  const pasts = await makePasts(join(folder, "pasts"), chats, model, run);
  const bare = (name: string) => BareChats.open(join(folder, name), pasts, model, run.signal);
  const [pooled, resumed, kept] = [await bare("pooled"), await bare("resumed"), await bare("kept")];

  const crowd: Load = { chats, callers, places: processes, forMs: 1000 * seconds, warm: false };
  const k = Math.min(processes, callers);
  const full: Load = { ...crowd, callers: k, places: k };
  const streams: Load = { ...full, chats: k, forMs: 100 * seconds, warm: true };
  const endMs: number[] = [];
  const openHome = await makeHomeOf(pasts, join(folder, "home"), processes, model);
  const ours = contender("Switchboard", crowd, switchboardHouses(openHome, run.signal));
  const lru = contender("bare SDK, LRU pool", crowd, async () => pooling(pooled, processes));
  const starts = contender("resume, turn and end", full, async () => resuming(resumed, endMs));
  const turns = contender("turn on an open stream", streams, async () => pooling(kept, processes));
  const sides = [ours, lru, starts, turns].map(
    (each) => (round: number) => takeTurn(each, draws(seed + round), model, run.signal),
  );
  await inRounds("a crowd", rounds, sides, run);

  const what = `${chats} chats, ${processes} processes, ${callers} callers`;
  const answers = `${what}: accept → answer`;
  const alive = Math.min(1, processes / chats);
  const costMs = (1 - alive) * mean(answerTimes(starts)) + alive * mean(answerTimes(turns));
  const best = { ...computedRate(answers, "the best, by formula", (1000 * k) / costMs), alive };
  const theirs = answerRow(answers, lru);
  const requests = `${what}: accept → model request`;
  const atOnce = `bare SDK, ${k} at once`;
  return [
    compared(answerRow(answers, ours), { "the best": best, "LRU pool": theirs }),
    compared(theirs, { "the best": best }),
    best,
    latencyRow(requests, ours.name, requestTimes(ours)),
    latencyRow(requests, lru.name, requestTimes(lru)),
    rateRow(atOnce, starts.name, answerTimes(starts), rateOf(starts)),
    latencyRow(atOnce, "of that the end", endMs),
    rateRow(atOnce, turns.name, answerTimes(turns), rateOf(turns)),
  ];
}

function contender(name: string, load: Load, open: () => Promise<House>): Contender {
  return { name, load, open, found: { exchanges: [], seconds: 0, messages: 0, starts: 0 } };
}

// The contenders' houses

function switchboardHouses(openHome: () => Promise<Switchboard>, signal: AbortSignal): () => Promise<House> {
  let seen = 0;
  return async () => {
    const switchboard = await openHome();
    return {
      ask: (chat, text) => askSwitchboard(switchboard, chatIdOf(chat), text),
      async starts() {
        const past = await startsAfter(switchboard, seen);
        seen = past.last;
        return past.starts;
      },
      // A run that is ended early is in mid-turn.
      close: () => switchboard.close({ hurry: signal }),
    };
  };
}

/** By its events. `last`: the number of the last one. */
async function startsAfter(
  switchboard: Switchboard,
  after: number,
): Promise<{ starts: number; last: number }> {
  let [starts, last] = [0, after];
  for await (const event of switchboard.events({ after, follow: false })) {
    if ("seq" in event) last = event.seq;
    if (event.type === "process" && event.state === "starting") starts += 1;
  }
  return { starts, last };
}

function pooling(chats: BareChats, places: number): House {
  const pool = new LruPool(chats, places);
  return {
    ask: (chat, text) => pool.ask(chat, text),
    starts: async () => pool.starts,
    close: () => pool.close(),
  };
}

/** A process for each message, and as many at once as there are callers. */
function resuming(chats: BareChats, endMs: number[]): House {
  let starts = 0;
  let closed = false;
  const running = new Set<BareProcess>();
  return {
    async ask(chat, text) {
      const process = await chats.process(chat);
      if (closed) throw new Error("nobody asks any more");
      starts += 1;
      running.add(process);
      await process.ask(text);
      const answeredAt = performance.now();
      await process.end();
      endMs.push(performance.now() - answeredAt);
      running.delete(process);
    },
    starts: async () => starts,
    async close() {
      closed = true;
      await Promise.all([...running].map((process) => process.end()));
    },
  };
}

// The load

/** One contender's slice of a round; nobody is at home before and after it. */
async function takeTurn(
  { open, load, found }: Contender,
  draw: Draw,
  model: Model,
  signal: AbortSignal,
): Promise<void> {
  await using closing = new AsyncDisposableStack();
  const house = await open();
  closing.defer(() => house.close());
  if (load.warm) await askOnce(house, load.chats, model, signal);
  const { exchanges, messages } = await talk(house, load, draw, model, signal);
  for (const each of exchanges) found.exchanges.push(each);
  found.seconds += load.forMs / 1000;
  found.messages += messages;
  found.starts += await house.starts();
}

async function askOnce(house: House, chats: number, model: Model, signal: AbortSignal): Promise<void> {
  const numbers = Array.from({ length: chats }, (_, chat) => chat);
  await Promise.all(numbers.map((chat) => exchange(model, signal, (text) => house.ask(chat, text))));
}

/**
 * The first answers do not count, one and a half times as many as there are places: by then places go from one chat to the
 * next, and where all have started together the middle of a wave of answers is as good a beginning as any. What is under
 * way at the end is waited for, and does not count.
 */
async function talk(
  house: House,
  { chats, callers, places, forMs }: Load,
  draw: Draw,
  model: Model,
  signal: AbortSignal,
): Promise<{ exchanges: Exchange[]; messages: number }> {
  const exchanges: Exchange[] = [];
  const awaiting = new Set<number>();
  let messages = 0;
  let answers = 0;
  let until = Number.POSITIVE_INFINITY;
  const caller = async () => {
    while (performance.now() < until) {
      let chat = draw(chats);
      while (awaiting.has(chat)) chat = draw(chats);
      awaiting.add(chat);
      messages += 1;
      const times = await exchange(model, signal, (text) => house.ask(chat, text));
      awaiting.delete(chat);
      answers += 1;
      const now = performance.now();
      const counts = until !== Number.POSITIVE_INFINITY && now < until;
      if (counts) exchanges.push(times);
      if (answers === Math.ceil(1.5 * places)) until = now + forMs;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { exchanges, messages };
}

/** A whole number from 0 up to, and not including, `limit`. */
type Draw = (limit: number) => number;

/** Even, and the same for the same seed: a linear congruential generator, of which the upper bits are used. */
function draws(seed: number): Draw {
  let state = BigInt(seed);
  return (limit) => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return Number(((state >> 32n) * BigInt(limit)) >> 32n);
  };
}

// What has come of it

function answerRow(measure: string, side: Contender): Row {
  const { messages, starts } = side.found;
  const row = rateRow(measure, side.name, answerTimes(side), rateOf(side));
  return { ...row, alive: 1 - starts / messages };
}

function answerTimes({ found }: Contender): number[] {
  return found.exchanges.map(({ answerMs }) => answerMs);
}

function requestTimes({ found }: Contender): number[] {
  return found.exchanges.map(({ requestMs }) => requestMs);
}

function rateOf({ found }: Contender): number {
  return found.exchanges.length / found.seconds;
}
