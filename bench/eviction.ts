/**
 * Which idle process is closed when its room is needed: ours (`untilNext`) beside recency alone (LRU) and the best that
 * anybody could do who knew the future (Belady's). A simulation on generated traffic; nothing is started.
 *
 * People talk in conversations: they begin at random, some chats' fifty times as often as others', and have six messages in the
 * mean, each after a think time that differs between people and from message to message (log-normal). Bots write at
 * intervals between a minute and an hour, give or take 5 %.
 */

import { lookedAt, untilNext } from "../src/sessions/rhythm.ts";

export interface EvictionPlan {
  readonly chats: number;
  readonly hours: number;
  /** Of the generator. */
  readonly seed: number;
}

interface Message {
  /** ms. */
  readonly at: number;
  readonly chat: number;
}

/** What a policy sees of a chat with a process. */
interface Seen {
  /** Of its last messages, oldest first. */
  readonly times: readonly number[];
  /** Of its next message: only for the best. */
  readonly next: number;
}

/** The higher, the sooner it is closed. */
type Policy = (seen: Seen, now: number) => number;

const policies: Record<string, Policy> = {
  best: ({ next }) => next,
  LRU: ({ times }, now) => now - (times.at(-1) ?? 0),
  ours: ({ times }, now) => untilNext(times, now, Number.MAX_SAFE_INTEGER),
};

const mixes = [
  { bots: 0, places: 8 },
  { bots: 0, places: 16 },
  { bots: 0, places: 32 },
  { bots: 0.02, places: 16 },
  { bots: 0.1, places: 8 },
  { bots: 0.1, places: 16 },
  { bots: 0.1, places: 32 },
  { bots: 0.1, places: 64 },
];

/** A Markdown table of the shares of messages that find their chat's process alive. */
export function compareEvictions({ chats, hours, seed }: EvictionPlan): string {
  const names = Object.keys(policies);
  const rows = mixes.map(({ bots, places }) => {
    const messages = traffic({ chats, bots, endMs: hours * hourMs, random: generator(seed) });
    const shares = Object.values(policies).map((policy) => shareAlive(messages, places, policy).toFixed(3));
    return [`${Math.round(100 * bots)} %`, places, messages.length, ...shares];
  });
  const head = ["bots", "processes", "messages", ...names];
  return [head, head.map(() => "--:"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function shareAlive(messages: readonly Message[], places: number, policy: Policy): number {
  const alive = new Map<number, Seen>();
  const past = new Map<number, readonly number[]>();
  const nextOf = nextTimes(messages);
  let found = 0;
  for (const [n, { at, chat }] of messages.entries()) {
    if (alive.has(chat)) found += 1;
    else if (alive.size >= places) alive.delete(closed(alive, at, policy));
    const times = [...(past.get(chat) ?? []), at].slice(-lookedAt);
    past.set(chat, times);
    alive.set(chat, { times, next: nextOf[n] ?? Number.POSITIVE_INFINITY });
  }
  return found / messages.length;
}

function closed(alive: ReadonlyMap<number, Seen>, now: number, policy: Policy): number {
  const scored = [...alive].map(([chat, seen]) => ({ chat, score: policy(seen, now) }));
  return scored.reduce((first, other) => (other.score > first.score ? other : first)).chat;
}

/** Of each message, when its chat's next one comes. */
function nextTimes(messages: readonly Message[]): number[] {
  const seen = new Map<number, number>();
  return messages
    .toReversed()
    .map(({ at, chat }) => {
      const next = seen.get(chat) ?? Number.POSITIVE_INFINITY;
      seen.set(chat, at);
      return next;
    })
    .reverse();
}

// The traffic

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** A day's conversations of the liveliest chats. */
const mostPerDay = 20;
const answerMs = 8000;

interface TrafficPlan {
  chats: number;
  /** Which share of them. */
  bots: number;
  endMs: number;
  random: () => number;
}

function traffic({ chats, bots, endMs, random }: TrafficPlan): Message[] {
  return Array.from({ length: chats }, (_, chat) =>
    (chat < bots * chats ? ofBot(endMs, random) : ofPerson(chat, endMs, random)).map((at) => ({ at, chat })),
  )
    .flat()
    .sort((a, b) => a.at - b.at);
}

function ofBot(endMs: number, random: () => number): number[] {
  const interval = minuteMs * 60 ** random();
  const times: number[] = [];
  for (let at = random() * interval; at < endMs; at += interval * (0.95 + 0.1 * random())) times.push(at);
  return times;
}

function ofPerson(chat: number, endMs: number, random: () => number): number[] {
  const pauseMs = (24 * hourMs * (1 + (chat % 50))) / mostPerDay;
  const thinkMs = minuteMs * 0.5 * Math.exp(0.7 * normal(random));
  const times: number[] = [];
  let at = exponential(random) * pauseMs;
  while (at < endMs) {
    for (let left = 1 + Math.floor(6 * exponential(random)); left > 0; left -= 1) {
      times.push(at);
      at += answerMs + thinkMs * Math.exp(normal(random));
    }
    at += exponential(random) * pauseMs;
  }
  return times;
}

function exponential(random: () => number): number {
  return -Math.log(1 - random());
}

/** By Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * random());
}

/** Numbers from 0 to 1 that a seed decides: Weyl's sequence, mixed as in MurmurHash3's end. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
