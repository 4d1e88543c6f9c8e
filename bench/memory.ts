/**
 * What a chat costs of memory: when its process is gone, and while it has one. Each side in a process of its own
 * (resident.ts), one after the other, on a model that is in neither of them.
 *
 * - A dormant chat: by how much the host has grown after some dozens of chats had a turn and a process that is gone. Half as
 *   many before them do not count: they warm up code and caches, which would pass for a cost of each chat. The rival does
 *   as much with a `query()` for each chat; a host that holds its processes pays for live sessions instead.
 * - A live session: the proportional share (PSS) of its process with all that belongs to it, some turns old, and what the
 *   host has grown by. A line is fitted (least squares) to what 1, a quarter, half and all of them take together: its slope
 *   is what one more costs, and the first pays for what all share. The fall of MemAvailable, which sees what the kernel
 *   holds for them, too, and everything else that the machine does meanwhile, is fitted as well.
 * - How many live sessions 80 % of the machine's memory hold is computed, never tried: from what is in use with all of them,
 *   and the slope by PSS together with the host's, or by MemAvailable, whichever is the steeper.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { memoryOfTrees } from "../src/os/index.ts";
import { type Model, openModel } from "./model.ts";
import { compared, quantityRow, type Row } from "./report.ts";
import type { Answer, Kind, Look, Order } from "./resident.ts";
import { orAbort, type Run } from "./run.ts";
import { inRounds } from "./sides.ts";
import { lineThrough, summaryOf } from "./statistics.ts";

export interface MemoryPlan {
  /** Sessions at most; from two on there is a line to be fitted. */
  live: number;
  /** That each live session has. */
  turns: number;
  /** Chats whose processes are gone. */
  dormant: number;
  rounds: number;
}

/** It is looked after each, and the growth in between is the median of theirs: V8 lets go of some MB at one time or another. */
const dormantGroups = 6;
/** Of the machine's memory, for live sessions and everything else. */
const usable = 0.8;
const mebibyte = 2 ** 20;
const kibibyte = 2 ** 10;

/** With so many live sessions, in bytes. */
interface Point {
  sessions: number;
  /** Of their processes. */
  pss: number;
  /** In the host's heap, without its code. */
  objects: number;
  resident: number;
  /** Of the machine: not available to others. */
  inUse: number;
}

/** What one round has found of one side, in bytes but for `most`. */
interface Found {
  points: Point[];
  /** What one more live session adds. */
  slopes: Record<"pss" | "objects" | "resident" | "inUse", number>;
  /** What the fitted line of PSS has at no session. */
  shared: number;
  dormantObjects: number;
  dormantResident: number;
  /** Live sessions. */
  most: number;
}

interface Side {
  kind: Kind;
  found: Found[];
}

export async function measureMemory(plan: MemoryPlan, run: Run): Promise<Row[]> {
  if (process.platform !== "linux") {
    run.say("memory is left out: it is measured by Linux' /proc");
    return [];
  }
  await using closing = new AsyncDisposableStack();
  const model = await openModel("answers");
  closing.defer(() => model.close());
  const sides: Side[] = [
    { kind: "switchboard", found: [] },
    { kind: "bare", found: [] },
  ];
  const measures = sides.map(({ kind, found }) => async (round: number) => {
    const folder = join(run.folder, `memory-${kind}-${round}`);
    await using resident = new Resident(kind, folder, model, plan.turns, run.signal);
    const growth = await dormantGrowth(resident, plan.dormant);
    const points = await livePoints(resident, plan.live);
    found.push({ ...growth, points, ...fitted(points, await memoryInfo("MemTotal")) });
  });
  await inRounds("memory", plan.rounds, measures, run);
  return rowsOf(plan, sides);
}

async function dormantGrowth(
  resident: Resident,
  chats: number,
): Promise<Pick<Found, "dormantObjects" | "dormantResident">> {
  for (let n = 0; n < chats / 2; n++) await resident.order("passing");
  const looks = [await resident.look()];
  const each = Math.ceil(chats / dormantGroups);
  for (let group = 0; group < dormantGroups; group++) {
    for (let n = 0; n < each; n++) await resident.order("passing");
    looks.push(await resident.look());
  }
  const growth = (of: (look: Look) => number) =>
    summaryOf(looks.slice(1).map((look, at) => of(look) - of(looks[at] ?? look))).median / each;
  return {
    dormantObjects: growth(({ objectBytes }) => objectBytes),
    dormantResident: growth(({ residentBytes }) => residentBytes),
  };
}

async function livePoints(resident: Resident, live: number): Promise<Point[]> {
  const points: Point[] = [];
  for (let sessions = 1; sessions <= live; sessions++) {
    await resident.order("live");
    if (!countsOf(live).includes(sessions)) continue;
    const { pids, objectBytes, residentBytes } = await resident.look();
    if (pids.length !== sessions) throw new Error(`${sessions} sessions have ${pids.length} processes`);
    const trees = await memoryOfTrees(pids);
    const pss = trees.values().reduce((sum, bytes) => sum + bytes, 0);
    const inUse = (await memoryInfo("MemTotal")) - (await memoryInfo("MemAvailable"));
    points.push({ sessions, pss, objects: objectBytes, resident: residentBytes, inUse });
  }
  return points;
}

/** With how many sessions it is looked. */
function countsOf(live: number): number[] {
  return [...new Set([1, Math.ceil(live / 4), Math.ceil(live / 2), live])];
}

function fitted(points: readonly Point[], totalBytes: number): Pick<Found, "slopes" | "shared" | "most"> {
  const line = (key: keyof Point) => lineThrough(points.map((point) => [point.sessions, point[key]]));
  const { slope: pss, start: shared } = line("pss");
  const [objects, resident, inUse] = [line("objects").slope, line("resident").slope, line("inUse").slope];
  const last = points.at(-1);
  if (last === undefined) throw new Error("nothing was measured");
  const most = last.sessions + (usable * totalBytes - last.inUse) / Math.max(pss + resident, inUse);
  return { slopes: { pss, objects, resident, inUse }, shared, most };
}

async function memoryInfo(key: "MemTotal" | "MemAvailable"): Promise<number> {
  const text = await readFile("/proc/meminfo", "latin1");
  const kilobytes = new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/meminfo does not tell ${key}`);
  return 1024 * Number(kilobytes);
}

function rowsOf({ live }: MemoryPlan, [ours, theirs]: readonly Side[]): Row[] {
  if (ours === undefined || theirs === undefined) return [];
  type Pair = readonly [ours: Row, bare: Row];
  const pair = (unit: Row["unit"], rival: string, measure: string, of: (found: Found) => number): Pair => [
    quantityRow(unit, measure, "Switchboard", ours.found.map(of)),
    quantityRow(unit, measure, rival, theirs.found.map(of)),
  ];
  const mib = (measure: string, of: (found: Found) => number) =>
    pair("MiB", "bare SDK, open stream", measure, (found) => of(found) / mebibyte);
  const kib = (measure: string, of: (found: Found) => number) =>
    pair("KiB", "bare SDK, a `query()` for each", measure, (found) => of(found) / kibibyte);
  // Not of what is near nothing: of that there is no quotient.
  const versus = ([row, bare]: Pair) => [compared(row, { bare }), bare];
  const pssOf = ({ points }: Found, sessions: number) =>
    points.find((point) => point.sessions === sessions)?.pss ?? Number.NaN;
  const more = "one more live session, fitted";
  return [
    ...countsOf(live).flatMap((n) => versus(mib(`PSS of ${n} live`, (found) => pssOf(found, n)))),
    ...versus(mib(`PSS of ${live} live, divided`, (found) => pssOf(found, live) / live)),
    ...versus(mib(`${more}: PSS`, ({ slopes }) => slopes.pss)),
    ...versus(mib(`${more}: MemAvailable`, ({ slopes }) => slopes.inUse)),
    ...mib(`${more}: the host's objects`, ({ slopes }) => slopes.objects),
    ...mib(`${more}: the host, resident`, ({ slopes }) => slopes.resident),
    ...mib("what all share, by the fit of PSS", ({ shared }) => shared),
    ...kib("a dormant chat: the host's objects", ({ dormantObjects }) => dormantObjects),
    ...kib("a dormant chat: the host, resident", ({ dormantResident }) => dormantResident),
    ...versus(
      pair("sessions", "bare SDK, open stream", "live in 80 % of the memory, computed", ({ most }) => most),
    ),
  ];
}

/** Ends with all that it has started when it is disposed. */
class Resident implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<never>;
  readonly #exit: Promise<unknown>;
  #answered: Promise<Answer>;

  constructor(kind: Kind, folder: string, model: Model, turns: number, signal: AbortSignal) {
    this.#signal = signal;
    const args = [kind, folder, model.url, String(turns)];
    this.#child = fork(join(import.meta.dirname, "resident.ts"), args, { execArgv: ["--expose-gc"] });
    this.#exit = once(this.#child, "exit");
    this.#ended = this.#exit.then(() => {
      throw new Error("a host has ended before its time");
    });
    this.#ended.catch(() => {});
    this.#answered = this.#nextAnswer();
  }

  async look(): Promise<Look> {
    const look = await this.order("look");
    if (look === null) throw new Error("a host has not looked");
    return look;
  }

  /** Resolves when it is carried out. One at a time. */
  async order(order: Order): Promise<Look | null> {
    // When it is open, first of all.
    await this.#answer();
    this.#child.send(order);
    this.#answered = this.#nextAnswer();
    return await this.#answer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await this.#exit;
  }

  async #answer(): Promise<Look | null> {
    const answer = await orAbort(Promise.race([this.#answered, this.#ended]), this.#signal);
    if ("error" in answer) throw new Error(`a host has failed: ${answer.error}`);
    return answer.look;
  }

  #nextAnswer(): Promise<Answer> {
    return once(this.#child, "message").then(([answer]) => answer);
  }
}
