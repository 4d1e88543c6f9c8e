/**
 * One round: contacts write, faults strike; then the faults stop, everything open has its time to end, each chat is asked
 * once more, and the daemon is shut down in order. What is left in the folder is for the auditor.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { Channel, channelName } from "./channel.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { Dice } from "./dice.ts";
import {
  type Accepted,
  type Delivery,
  type EndFacts,
  type FaultRecord,
  files,
  Journal,
  type RequestRecord,
  type RoundFacts,
  type Sample,
} from "./evidence.ts";
import { LedgerEye } from "./ledger-eye.ts";
import { type Asked, type ChaosModel, startModel } from "./model.ts";
import { processesNaming, signalSeen } from "./process-table.ts";
import { SmallDisk } from "./small-disk.ts";
import { Striker } from "./striker.ts";
import { Traffic } from "./traffic.ts";
import { Watch } from "./watch.ts";
import { Weather } from "./weather.ts";
import { World } from "./world.ts";

export interface RoundPlan {
  readonly seed: string;
  /** How long faults strike; longer when a point has not had its kills by then. */
  readonly seconds: number;
  readonly chats: number;
  /** Kills that each point must have had at the end. */
  readonly leastKills: number;
  /** Kills that there must have been in all: until then faults strike on, however long it takes. */
  readonly kills: number;
  /** Made by the caller, and empty. */
  readonly folder: string;
  readonly signal: AbortSignal;
  say(text: string): void;
}

/** In a shorter round not every fault has its turn. */
const allFaultsSeconds = 60;
/** ms that faults strike longer at most: a point's moments are rare where a machine is slow. */
const extraMs = 150_000;
/** ms. What is open when the faults stop must end within this; a usage limit and three tries fit in. */
const quietMs = 60_000;
const shutdownMs = 45_000;
const lookEveryMs = 100;

/** Few processes for many chats, so that slots change hands; health is looked at often, for stopped processes. */
const config = `log_level = "info"

[processes]
max = 6
max_starts = 2
idle_seconds = 20
health_check_seconds = 2
drain_seconds = 8
stop_seconds = 3
`;

export async function runRound(plan: RoundPlan): Promise<Coverage> {
  const { folder, seed } = plan;
  const facts: RoundFacts = { seed };
  writeFileSync(join(folder, files.round), JSON.stringify(facts));
  const disk = SmallDisk.mount(join(folder, files.home));
  try {
    await using round = await Round.begin(plan, disk instanceof SmallDisk ? disk : null);
    await round.run();
  } finally {
    if (disk instanceof SmallDisk) disk.unmount();
  }
  const records = readFileSync(join(folder, files.faults), "utf8").split("\n").filter(Boolean);
  const faults: FaultRecord[] = records.map((line) => JSON.parse(line));
  const { leastKills, seconds } = plan;
  return coverageOf(faults, { leastKills, others: seconds >= allFaultsSeconds, skipped: skipped(disk) });
}

function skipped(disk: SmallDisk | string): Map<string, string> {
  return new Map(disk instanceof SmallDisk ? [] : [["disk full", disk]]);
}

class Round implements AsyncDisposable {
  readonly #plan: RoundPlan;
  readonly #closingDice: Dice;
  readonly #eye: LedgerEye;
  readonly #closing = new AsyncDisposableStack();
  readonly #model: ChaosModel;
  readonly #channel: Channel;
  readonly #world: World;
  readonly #watch: Watch;
  readonly #striker: Striker;
  readonly #traffic: Traffic;
  readonly #weather: Weather;
  /** Generations whose process has asked the model. */
  readonly #asking = new Set<number>();

  static async begin(plan: RoundPlan, disk: SmallDisk | null): Promise<Round> {
    const faults = new Journal<FaultRecord>(join(plan.folder, files.faults));
    const dice = new Dice(plan.seed);
    const deliveries = new Journal<Delivery>(join(plan.folder, files.deliveries));
    const requests = new Journal<RequestRecord>(join(plan.folder, files.requests));
    let round: Round | undefined;
    const channel = await Channel.open(
      dice.named("channel"),
      deliveries,
      faults,
      (replyId, chatId) => round?.onReply(replyId, chatId) ?? null,
    );
    const model = await startModel({
      requests,
      faults,
      generationOf: (sessionId) => round?.generationOf(sessionId) ?? null,
      clockIsRight: () => round?.clockIsRight ?? false,
      onAsked: (asked) => round?.onAsked(asked) ?? null,
    });
    round = new Round(plan, { faults, dice, channel, model, disk });
    round.#closing.defer(() => {
      for (const journal of [faults, deliveries, requests]) journal.close();
    });
    return round;
  }

  private constructor(
    plan: RoundPlan,
    parts: {
      faults: Journal<FaultRecord>;
      dice: Dice;
      channel: Channel;
      model: ChaosModel;
      disk: SmallDisk | null;
    },
  ) {
    const { faults, dice, channel, model, disk } = parts;
    this.#plan = plan;
    this.#closingDice = dice.named("closing");
    this.#model = model;
    this.#channel = channel;
    const { folder } = plan;
    const chats = Array.from({ length: plan.chats }, (_, i) => `chat-${i + 1}`);
    this.#world = new World({
      folder,
      modelUrl: model.url,
      config: config + channel.config,
      storageSuffered: (since) => this.#weather.sufferedUntil >= since,
    });
    this.#eye = new LedgerEye(this.#world.home);
    const samples = new Journal<Sample>(join(folder, files.processes));
    this.#watch = new Watch({
      home: this.#world.home,
      eye: this.#eye,
      samples,
      onStarted: ({ space, generation }) => {
        const holds = () =>
          !this.#asking.has(generation) && this.#watch.claudeOf(space)?.generation === generation;
        void this.#striker.offer({ point: "starting", space, holds });
      },
      onReply: (replyId, chatId) => void this.onReply(replyId, chatId),
    });
    this.#striker = new Striker({
      world: this.#world,
      dice: dice.named("striker"),
      faults,
      claudeOf: (space) => this.#watch.claudeOf(space),
      spares: (space) => this.#traffic.isReserved(this.#eye.chatOf(space)),
    });
    const accepted = new Journal<Accepted>(join(folder, files.accepted));
    this.#traffic = new Traffic({
      world: this.#world,
      dice: dice.named("traffic"),
      chats,
      accepted,
      faults,
      channel: channelName,
      openIn: (chatId) => this.#watch.open(chatId),
      onAccepted: () => void this.#striker.offer({ point: "accepting", space: null, holds: () => true }),
    });
    this.#weather = new Weather({
      world: this.#world,
      watch: this.#watch,
      eye: this.#eye,
      traffic: this.#traffic,
      chats,
      dice: dice.named("weather"),
      faults,
      disk,
    });
    this.#closing.defer(() => {
      for (const journal of [samples, accepted]) journal.close();
    });
  }

  async run(): Promise<void> {
    const { seconds, leastKills, kills, signal, say } = this.#plan;
    const until = performance.now() + seconds * 1000;
    const isOver = () => {
      if (this.#striker.kills < kills) return false;
      const late = performance.now() - until;
      if (late >= 0) this.#striker.catchUp(leastKills);
      return late >= (this.#striker.hasStruck(leastKills) ? 0 : extraMs);
    };
    while (!isOver()) {
      signal.throwIfAborted();
      await this.#closeSomebody();
      await pause(lookEveryMs);
    }
    say("the faults stop");
    this.#striker.stop();
    this.#model.calm();
    this.#channel.calm();
    await Promise.all([this.#weather.stop(), this.#traffic.stop()]);
    await this.#quiet();
    await this.#traffic.rollCall();
    await this.#quiet();
    say("the daemon is shut down");
    await this.#end();
  }

  /** Ends whatever still runs; nothing does when the round ran to its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#striker.stop();
    this.#watch.end();
    await this.#world.end();
    for (const process of this.#watch.processes) signalSeen(process, "SIGKILL");
    await Promise.allSettled([this.#weather.stop(), this.#model.close()]);
    this.#channel.close();
    this.#eye.close();
    await this.#closing.disposeAsync();
  }

  get clockIsRight(): boolean {
    return this.#weather.clockIsRight;
  }

  /** A reply was committed, or has come to the receiver, which has not answered yet. */
  onReply(replyId: string, chatId: string): Promise<void> {
    const space = this.#eye.spaceOf(chatId);
    if (space !== null) this.#striker.noteReply(space);
    const holds = () => this.#eye.isUnderWay(replyId);
    return this.#striker.offer({ point: "between commit and send", space, holds });
  }

  generationOf(sessionId: string): number | null {
    const space = this.#spaceOf(sessionId);
    const generation = space === null ? undefined : this.#watch.claudeOf(space)?.generation;
    if (generation !== undefined) this.#asking.add(generation);
    return generation ?? null;
  }

  onAsked(asked: Asked): Promise<void> | null {
    this.#striker.noteRequest();
    const space = this.#spaceOf(asked.sessionId);
    if (space === null) return null;
    const { toolFile, underWay: holds } = asked;
    if (asked.open.some(({ poison }) => poison)) this.#strikePoison(space, holds);
    if (toolFile !== null) void this.#watchTool(space, toolFile);
    if (asked.phase === "after a tool") return this.#striker.offer({ point: "after a tool", space, holds });
    if (asked.open.some(({ slow }) => slow)) void this.#striker.offer({ point: "streaming", space, holds });
    return null;
  }

  #strikePoison(space: string, holds: () => boolean): void {
    setTimeout(() => {
      if (holds()) this.#striker.strike({ point: "streaming", space, holds }, "claude KILL");
    }, 300);
  }

  /** Offers the moment at which the tool has begun and has not ended. */
  async #watchTool(space: string, toolFile: string): Promise<void> {
    const file = join(this.#world.home, "spaces", space, "work", toolFile);
    const holds = () => existsSync(`${file}.begun`) && !existsSync(`${file}.done`);
    for (let looks = 0; looks < 50 && !holds(); looks++) await pause(40);
    if (holds()) await this.#striker.offer({ point: "in a tool", space, holds });
  }

  /** Closes a process, or shuts the daemon down, to strike while that is under way. */
  async #closeSomebody(): Promise<void> {
    const victim = this.#striker.next("closing");
    if (victim === null) return;
    if (victim === "daemon KILL") {
      this.#world.strike("SIGTERM");
      await this.#striker.offer({ point: "closing", space: null, holds: () => this.#world.daemon !== null });
      // One that was not struck ends by itself.
      return;
    }
    const claudes = this.#watch.processes.filter(({ claude }) => claude);
    if (claudes.length === 0) return;
    // Rather one that is idle: another is closed only when its turn has ended, and struck in the turn.
    const idle = claudes.filter(({ space }) => this.#watch.open(this.#eye.chatOf(space) ?? "") === 0);
    const { space, generation } = this.#closingDice.pick(idle.length > 0 ? idle : claudes);
    const chatId = this.#eye.chatOf(space);
    if (chatId === null) return;
    let closed = false;
    const over = () => {
      closed = true;
    };
    this.#world.call("POST", `/v1/chats/${chatId}/close`).then(over, over);
    const holds = () => !closed && this.#watch.claudeOf(space)?.generation === generation;
    await this.#striker.offer({ point: "closing", space, holds });
  }

  #spaceOf(sessionId: string): string | null {
    const space = this.#watch.claudeOf(sessionId)?.space;
    return space ?? this.#eye.spaceOfSession(sessionId);
  }

  /** Until no message and no reply is open, or the patience has ended: what is open then is the auditor's to find. */
  async #quiet(): Promise<void> {
    for (const until = performance.now() + quietMs; performance.now() < until; await pause(lookEveryMs)) {
      this.#plan.signal.throwIfAborted();
      this.#watch.look();
      if (this.#watch.open() === 0 && this.#eye.repliesUnderWay() === 0) return;
    }
  }

  async #end(): Promise<void> {
    const { folder } = this.#plan;
    const exitCode = await this.#world.shutDown(shutdownMs);
    this.#watch.look();
    this.#eye.close();
    const end: EndFacts = {
      exitCode,
      processes: processesNaming(`${folder}/`),
      temporary: readdirSync(this.#world.temporary),
      sockets: socketsIn(folder),
      lockFree: isFree(join(this.#world.home, "lock")),
      addressGone: !existsSync(join(this.#world.home, "url")),
    };
    writeFileSync(join(folder, files.end), JSON.stringify(end, null, 2));
  }
}

function socketsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSocket())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** The lock is SQLite's on an empty file. */
function isFree(path: string): boolean {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
    db.exec("ROLLBACK");
    return true;
  } catch {
    return false;
  } finally {
    db.close();
  }
}
