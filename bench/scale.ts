/**
 * What a million chats cost, and millions of messages, against a thousand chats: start-up, memory, look-ups and
 * accepts on homes that differ in nothing else. The homes take turns in everything, so that all meet the same machine.
 */

import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ContactPatch, type Ledger, openSqliteLedger } from "../src/ledger/index.ts";
import { accept } from "./accepts.ts";
import { drive, type Throughput, type Turns, takeTurns } from "./callers.ts";
import { Connection } from "./connection.ts";
import { spawnDaemon } from "./daemon.ts";
import { chatIdOf, makeHome, type Past, requireRoom, sizeOf, sizeText, warmUp } from "./homes.ts";
import type { Opening } from "./opener.ts";
import { recordPattern } from "./pattern.ts";
import { compared, latencyRow, memoryRow, type Row, rateRow } from "./report.ts";
import { hangsAfterMs, orAbort, type Run } from "./run.ts";

export interface ScalePlan {
  /** Of the home with many chats, each with one message. */
  chats: number;
  /** Of the home with a long past, in chats of a hundred each. */
  messages: number;
  /** How often each home has its turn in everything, after one that does not count. */
  rounds: number;
  /** How long a turn is, in ms; that of opening a home is as long as it takes. */
  sliceMs: number;
}

/** What all others are compared to. */
const few = 1000;
const messagesPerChat = 100;

interface Home {
  name: string;
  past: Past;
  folder: string;
}

export async function measureScale(plan: ScalePlan, run: Run): Promise<Row[]> {
  const homes = await makeHomes(plan, run);
  return [
    ...(await measureOpening(homes, plan, run)),
    ...(await measureHttp(homes, plan, run)),
    // Last, for accepts leave messages that a start would go on with.
    ...(await measurePort(homes, plan, run)),
  ];
}

async function makeHomes({ chats, messages }: ScalePlan, run: Run): Promise<Home[]> {
  const longPast = Math.ceil(messages / messagesPerChat);
  const pasts: Past[] = [
    { chats: few, messages: few },
    { chats, messages: chats },
    { chats: longPast, messages: longPast * messagesPerChat },
  ];
  requireRoom(run.folder, pasts);
  const pattern = await recordPattern(join(run.folder, "pattern"));
  const homes: Home[] = [];
  for (const [at, past] of pasts.entries()) {
    const name = nameOf(past);
    const folder = join(run.folder, `home-${at}`);
    run.say(`making a home of ${name}: about ${sizeText(sizeOf(past))}`);
    const begun = performance.now();
    await makeHome(folder, past, pattern, run);
    const { size } = statSync(join(folder, "switchboard.db"));
    run.say(`  ${sizeText(size)} in ${Math.round((performance.now() - begun) / 1000)} s`);
    homes.push({ name, past, folder });
  }
  for (const { folder } of homes) await warmUp(folder, run.signal);
  return homes;
}

function nameOf({ chats, messages }: Past): string {
  const [count, all] = [chats, messages].map((number) => number.toLocaleString("en"));
  return messages === chats ? `${count} chats` : `${count} chats, ${all} messages`;
}

/** Rows of one measure, home by home: each is compared to the first. */
function againstFew(rows: readonly Row[]): Row[] {
  const [base, ...others] = rows;
  if (base === undefined) return [];
  return [base, ...others.map((row) => compared(row, { [base.contender]: base }))];
}

async function measureOpening(homes: readonly Home[], { rounds }: ScalePlan, run: Run): Promise<Row[]> {
  const openings = homes.map((home) => ({ home, found: [] as Opening[] }));
  for (let round = 0; round <= rounds; round++) {
    run.say(`start-up and memory: round ${round} of ${rounds}${round === 0 ? " (warm-up)" : ""}`);
    for (const { home, found } of round % 2 === 0 ? openings : openings.toReversed()) {
      const opening = await openOnce(home, run.signal);
      if (round > 0) found.push(opening);
    }
  }
  const rows = (row: typeof latencyRow, measure: string, key: keyof Opening) =>
    againstFew(
      openings.map(({ home, found }) =>
        row(
          measure,
          home.name,
          found.map((opening) => opening[key]),
        ),
      ),
    );
  return [
    ...rows(latencyRow, "start-up", "wallMs"),
    ...rows(latencyRow, "start-up, CPU", "cpuMs"),
    ...rows(memoryRow, "memory after start-up", "openedMiB"),
    ...rows(memoryRow, "memory after 1,000 look-ups", "lookedUpMiB"),
  ];
}

const opener = join(import.meta.dirname, "opener.ts");

/** In a process of its own, with the file in the system's cache: it was just written, or read in the round before. */
async function openOnce({ folder, past }: Home, signal: AbortSignal): Promise<Opening> {
  const args = ["--expose-gc", opener, folder, String(past.chats)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal, timeout: hangsAfterMs });
  return JSON.parse(stdout);
}

/** What callers do to a home, again and again. */
interface Task<Open> {
  measure: string;
  /** With one caller the time of a call is what is asked for, with more the rate. */
  callers: number;
  call(home: Open): Promise<unknown>;
}

interface OpenHome {
  home: Home;
}

/** Measure by measure, and in each home by home. */
async function measureTasks<Open extends OpenHome>(
  what: string,
  homes: readonly Open[],
  tasks: ReadonlyArray<Task<Open>>,
  { rounds, sliceMs }: ScalePlan,
  run: Run,
): Promise<Turns<Contender>[][]> {
  const contenders = tasks.flatMap(({ measure, callers, call }) =>
    homes.map((open): Contender => {
      const load = { callers, forMs: sliceMs, signal: run.signal };
      return { measure, name: open.home.name, callers, slice: () => drive(() => call(open), load) };
    }),
  );
  const turns = await takeTurns(what, contenders, rounds, run);
  return [...Map.groupBy(turns, ({ contender }) => contender.measure).values()];
}

interface Contender {
  measure: string;
  name: string;
  callers: number;
  slice(): Promise<Throughput>;
}

function rowOf({ contender: { measure, name, callers }, samples, seconds }: Turns<Contender>): Row {
  if (callers === 1) return latencyRow(measure, name, samples);
  return rateRow(measure, name, samples, samples.length / seconds);
}

/** What the calls took of the CPU of this process, which does all the work. */
function rowWithCpu(turns: Turns<Contender>): Row {
  return { ...rowOf(turns), cpuMs: turns.cpuMs / turns.samples.length };
}

interface ServedHome extends OpenHome {
  get(path: string): Promise<void>;
}

async function measureHttp(homes: readonly Home[], plan: ScalePlan, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  const served: ServedHome[] = [];
  for (const home of homes) served.push(await serve(home, closing, run.signal));
  const tasks: Task<ServedHome>[] = [
    {
      measure: "GET /v1/chats/{chatId}",
      callers: 1,
      call: ({ home, get }) => get(`/v1/chats/${randomChat(home)}`),
    },
    { measure: "GET /v1/chats, 100 of them", callers: 1, call: ({ get }) => get("/v1/chats?limit=100") },
    {
      measure: "GET /v1/chats/{chatId}/messages, 2 of them",
      callers: 1,
      call: ({ home, get }) => get(`/v1/chats/${randomChat(home)}/messages?limit=2`),
    },
  ];
  const measured = await measureTasks("look-ups over HTTP", served, tasks, plan, run);
  return measured.flatMap((turns) => againstFew(turns.map(rowOf)));
}

/** By a daemon of its own, on a connection that is kept. */
async function serve(home: Home, closing: AsyncDisposableStack, signal: AbortSignal): Promise<ServedHome> {
  const daemon = spawnDaemon(home.folder);
  closing.defer(() => daemon.end());
  const { url, token } = await orAbort(daemon.started, signal);
  let connection = new Connection(new URL(url));
  closing.defer(() => connection.close());
  return {
    home,
    async get(path) {
      if (connection.isClosed) connection = new Connection(new URL(url));
      const status = await connection.get(path, `authorization: Bearer ${token}\r\n`);
      if (status !== 200) throw new Error(`GET ${path} was answered with ${status}`);
    },
  };
}

interface OpenLedger extends OpenHome {
  ledger: Ledger;
}

async function measurePort(homes: readonly Home[], plan: ScalePlan, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  const ledgers: OpenLedger[] = [];
  for (const home of homes) {
    const ledger = await openSqliteLedger({ path: join(home.folder, "switchboard.db") });
    closing.defer(() => ledger.close());
    ledgers.push({ home, ledger });
  }
  const reads = await measureTasks("look-ups at the ledger's port", ledgers, readTasks, plan, run);
  // Later, for with open messages a look-up has more to count.
  const accepts = await measureTasks("accepts at the ledger's port", ledgers, acceptTasks, plan, run);
  return [...reads, ...accepts].flatMap((turns) => againstFew(turns.map(rowWithCpu)));
}

const readTasks: Task<OpenLedger>[] = [
  {
    measure: "port: a chat by its id",
    callers: 1,
    call: ({ home, ledger }) => ledger.chat(randomChat(home)),
  },
  {
    measure: "port: the first 100 chats",
    callers: 1,
    call: ({ ledger }) => ledger.chats({ limit: 100 }),
  },
  {
    measure: "port: the last 2 of a history",
    callers: 1,
    call: ({ home, ledger }) => ledger.history(randomChat(home), { order: "newest", limit: 2 }),
  },
];

const known: ContactPatch = {};
const anna: ContactPatch = { name: "Anna", tier: "family" };

const acceptTasks: Task<OpenLedger>[] = [
  {
    measure: "durable accepts, known chats, 1 caller",
    callers: 1,
    call: ({ home, ledger }) => accept(ledger, randomChat(home), known, ""),
  },
  {
    measure: "durable accepts, known chats, 64 callers",
    callers: 64,
    call: ({ home, ledger }) => accept(ledger, randomChat(home), known, ""),
  },
  {
    measure: "durable accepts, new chats, 1 caller",
    callers: 1,
    call: ({ ledger }) => accept(ledger, randomUUID(), anna, randomUUID()),
  },
  {
    measure: "durable accepts, new chats, all called Anna, 1 caller",
    callers: 1,
    call: ({ ledger }) => accept(ledger, randomUUID(), anna, "anna"),
  },
];

function randomChat({ past }: Home): string {
  return chatIdOf(Math.floor(Math.random() * past.chats));
}
