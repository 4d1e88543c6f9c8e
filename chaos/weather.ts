/** Faults that strike nobody in particular, as the dice say, with fair weather in between; and transcripts tampered with. */

import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { type Deck, type Dice, deckOf } from "./dice.ts";
import type { FaultRecord, Journal } from "./evidence.ts";
import type { LedgerEye } from "./ledger-eye.ts";
import type { SmallDisk } from "./small-disk.ts";
import type { Traffic } from "./traffic.ts";
import type { Watch } from "./watch.ts";
import type { World } from "./world.ts";

export interface WeatherOptions {
  readonly world: World;
  readonly watch: Watch;
  readonly eye: LedgerEye;
  readonly traffic: Traffic;
  readonly chats: readonly string[];
  readonly dice: Dice;
  readonly faults: Journal<FaultRecord>;
  /** Null: no disk can be filled here. */
  readonly disk: SmallDisk | null;
}

const kinds = ["clock", "disk full", "ledger locked"] as const;
const tamperings = ["truncated", "deleted"] as const;
type Tampering = (typeof tamperings)[number];

/** The clock is left alone from this second of a minute on: the model's usage limits end with the minute. */
const limitsFrom = 50;

/** ms until a chat that is to be tampered with must be at rest. */
const restsWithinMs = 30_000;
/** Chats that are waited for at a time. */
const tamperedAtOnce = 3;

export class Weather {
  readonly #options: WeatherOptions;
  readonly #over = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #clockDice: Dice;
  #shifted = false;
  #sufferedUntil = 0;
  /** Chats that are kept silent for it. */
  readonly #tampered = new Set<string>();

  constructor(options: WeatherOptions) {
    this.#options = options;
    const { dice } = options;
    this.#clockDice = dice.named("clock");
    const storms = deckOf(kinds, dice.named("storms"));
    const tampering = deckOf(tamperings, dice.named("tampering"));
    this.#running = Promise.all([
      this.#repeat(6000, dice.named("rests"), storms, (kind) => this.#storm(kind)),
      ...Array.from({ length: tamperedAtOnce }, (_, i) =>
        this.#repeat(3000, dice.named(`rests ${i}`), tampering, (how) => this.#tamper(how)),
      ),
    ]);
  }

  /** Whether the daemon's wall clock shows the time. */
  get clockIsRight(): boolean {
    return !this.#shifted;
  }

  /** Until when the storage has suffered, in ms of the monotonic clock; infinite while it does. */
  get sufferedUntil(): number {
    return this.#sufferedUntil;
  }

  /** Resolves when everything is as it should be again. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  /** One after the other; `restMs` at most lie between two. */
  async #repeat<T>(
    restMs: number,
    dice: Dice,
    deck: Deck<T>,
    strike: (kind: T) => Promise<void>,
  ): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#last(dice.whole(restMs / 3, restMs));
      if (!this.#over.signal.aborted) await strike(deck());
    }
  }

  async #storm(kind: (typeof kinds)[number]): Promise<void> {
    const { disk } = this.#options;
    switch (kind) {
      case "clock":
        return await this.#jump();
      case "disk full":
        return disk === null ? undefined : await this.#fill(disk);
      case "ledger locked":
        return await this.#lock();
    }
  }

  async #jump(): Promise<void> {
    if ((Date.now() / 1000) % 60 >= limitsFrom) return;
    const { world, faults } = this.#options;
    const dice = this.#clockDice;
    const minutes = dice.whole(2, 90);
    const shiftMs = (dice.chance(0.5) ? 1 : -1) * minutes * 60_000;
    const forMs = dice.whole(1500, 4000);
    faults.write({ at: Date.now(), kind: "clock", shiftMs, forMs });
    this.#shifted = true;
    world.shiftClock(shiftMs);
    await this.#last(forMs);
    world.shiftClock(0);
    this.#shifted = false;
  }

  async #fill(disk: SmallDisk): Promise<void> {
    const { dice, faults } = this.#options;
    const forMs = dice.whole(500, 2500);
    this.#sufferedUntil = Number.POSITIVE_INFINITY;
    faults.write({ at: Date.now(), kind: "disk full", forMs });
    disk.fill();
    await this.#last(forMs);
    disk.free();
    this.#sufferedUntil = performance.now();
  }

  async #lock(): Promise<void> {
    const { world, dice, faults } = this.#options;
    const forMs = dice.whole(500, 3000);
    const db = new DatabaseSync(join(world.home, "switchboard.db"), { timeout: 5000 });
    try {
      db.exec("BEGIN IMMEDIATE");
      this.#sufferedUntil = Number.POSITIVE_INFINITY;
      faults.write({ at: Date.now(), kind: "ledger locked", forMs });
      await this.#last(forMs);
      db.exec("ROLLBACK");
    } catch {
      // A daemon that is just opening the file has it; another time.
    } finally {
      db.close();
      this.#sufferedUntil = performance.now();
    }
  }

  /** Cuts or takes away the transcript of a chat that is at rest: of those that have one, the one that is the nearest to it. */
  async #tamper(how: Tampering): Promise<void> {
    const { traffic, chats, watch, dice, faults } = this.#options;
    const [chatId] = dice
      .shuffled(chats)
      .filter((chat) => !this.#tampered.has(chat) && this.#transcriptOf(chat) !== undefined)
      .toSorted((a, b) => watch.open(a) - watch.open(b));
    if (chatId === undefined) return;
    this.#tampered.add(chatId);
    const release = await traffic.reserve(chatId);
    try {
      const transcript = (await this.#atRest(chatId)) ? this.#transcriptOf(chatId) : undefined;
      if (transcript === undefined) return;
      if (how === "deleted") rmSync(transcript);
      else truncateSync(transcript, Math.floor(statSync(transcript).size * dice.fraction()));
      faults.write({ at: Date.now(), kind: "transcript", how, chatId });
    } finally {
      release();
      this.#tampered.delete(chatId);
    }
  }

  async #atRest(chatId: string): Promise<boolean> {
    const { world, watch, eye } = this.#options;
    for (const until = performance.now() + restsWithinMs; performance.now() < until; await this.#last(200)) {
      if (this.#over.signal.aborted) return false;
      if (watch.open(chatId) > 0) continue;
      const space = eye.spaceOf(chatId);
      if (space === null) return false;
      watch.look();
      if (!watch.processes.some((process) => process.space === space)) return true;
      await world.call("POST", `/v1/chats/${chatId}/close`).catch(() => {});
    }
    return false;
  }

  #transcriptOf(chatId: string): string | undefined {
    const { world, eye } = this.#options;
    const projects = join(world.home, "spaces", eye.spaceOf(chatId) ?? "", "claude/projects");
    try {
      const name = readdirSync(projects, { recursive: true, encoding: "utf8" }).find((path) =>
        /^[^/]+\/[^/]+\.jsonl$/.test(path),
      );
      return name === undefined ? undefined : join(projects, name);
    } catch {
      return undefined;
    }
  }

  /** Until the time is over, or the weather. */
  async #last(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#over.signal }).catch(() => {});
  }
}
