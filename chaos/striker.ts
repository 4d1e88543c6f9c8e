/**
 * Kills and stops at chosen points. The points are recognised by evidence that others bring (a process was seen for the
 * first time, a request has come, a tool's file is there, a reply was committed); at each, the next victim of that
 * point's shuffled list is struck, after a delay that the dice choose, if the moment still lasts. The point that was struck
 * least goes first, so that all are struck about as often.
 *
 * Only processes that carry this home's mark and the daemon that the kit started are ever struck, by pid and start time.
 */

import { setTimeout as pause } from "node:timers/promises";
import { points } from "./coverage.ts";
import type { Dice } from "./dice.ts";
import type { FaultRecord, Journal, Point, ProcessSeen, Victim } from "./evidence.ts";
import { signalSeen } from "./process-table.ts";
import type { World } from "./world.ts";

export interface Moment {
  readonly point: Point;
  /** Null when no single session is concerned. */
  readonly space: string | null;
  /** Whether it lasts. */
  holds(): boolean;
}

export interface StrikerOptions {
  readonly world: World;
  readonly dice: Dice;
  readonly faults: Journal<FaultRecord>;
  claudeOf(space: string): ProcessSeen | undefined;
}

/** Of these each point's list is made; a victim that stands there twice is struck twice as often. */
const victimsAt: Readonly<Record<Point, readonly Victim[]>> = {
  accepting: ["daemon KILL"],
  starting: ["claude KILL", "claude KILL", "claude KILL", "daemon KILL"],
  streaming: ["claude KILL", "claude KILL", "daemon KILL", "claude STOP", "claude STOP, daemon KILL"],
  "in a tool": ["claude KILL", "claude KILL", "daemon KILL", "claude STOP, daemon KILL"],
  "after a tool": ["claude KILL", "claude KILL", "daemon KILL"],
  closing: ["claude KILL", "claude KILL", "daemon KILL"],
  "between commit and send": ["daemon KILL", "daemon KILL", "claude KILL"],
};

/** ms at most, from the evidence to the strike. */
const delays: Readonly<Record<Point, number>> = {
  accepting: 4,
  starting: 400,
  streaming: 700,
  "in a tool": 600,
  "after a tool": 20,
  closing: 40,
  "between commit and send": 0,
};

/** ms. A moment that is over so soon does not wait for the gap when its point was struck least. */
const briefMs = 30;
/** ms from one strike to the next, about. After the daemon's death all its processes have to start anew. */
const gapMs = { claude: 200, daemon: 1500 };
/** How far a point may be ahead of the one that was struck least; that of the daemon alone is struck less. */
const lead = 3;

export class Striker {
  readonly #options: StrikerOptions;
  readonly #lists = new Map<Point, Victim[]>();
  readonly #struck = new Map<Point, number>(points.map((point) => [point, 0]));
  /** Strikes that wait for their moment. */
  readonly #aimed = new Set<Point>();
  #nextAt = 0;
  #over = false;

  constructor(options: StrikerOptions) {
    this.#options = options;
  }

  /** No further strikes. */
  stop(): void {
    this.#over = true;
  }

  /** Whether the point's turn has come: who has to prepare a moment asks first. */
  wants(point: Point): boolean {
    const least = Math.min(...this.#struck.values());
    const struck = this.#struck.get(point) ?? 0;
    const { world } = this.#options;
    const isTurn = struck * (point === "accepting" ? 3 : 1) <= least + lead;
    const isBrief = struck === least && delays[point] < briefMs;
    const rested = isBrief || performance.now() >= this.#nextAt;
    return !this.#over && world.accepts && isTurn && rested && !this.#aimed.has(point);
  }

  /** The victim that is next at the point. */
  next(point: Point): Victim {
    return this.#list(point)[0] ?? "claude KILL";
  }

  /** A moment has come. Resolves when it was used, or is not wanted. */
  async offer(moment: Moment): Promise<void> {
    const { point } = moment;
    if (!this.wants(point)) return;
    this.#aimed.add(point);
    await pause(this.#options.dice.fraction() * delays[point]);
    this.#aimed.delete(point);
    if (this.#over || !moment.holds()) return;
    this.strike(moment, this.next(point));
  }

  /** Strikes at once, whosever turn it is. */
  strike({ point, space }: Moment, victim: Victim): void {
    const { world, dice, faults } = this.#options;
    const claude = space === null ? undefined : this.#options.claudeOf(space);
    if (victim.includes("claude")) {
      if (claude === undefined || !signalSeen(claude, victim === "claude KILL" ? "SIGKILL" : "SIGSTOP"))
        return;
    }
    const daemon = world.daemon?.pid;
    if (victim.includes("daemon") && !world.strike("SIGKILL")) return;
    const pids = [
      ...(victim.includes("claude") && claude !== undefined ? [claude.pid] : []),
      ...(victim.includes("daemon") && daemon !== undefined ? [daemon] : []),
    ];
    faults.write({ at: Date.now(), kind: "strike", point, victim, space, pids });
    if (this.next(point) === victim) this.#list(point).shift();
    this.#struck.set(point, (this.#struck.get(point) ?? 0) + 1);
    this.#nextAt =
      performance.now() + gapMs[victim.includes("daemon") ? "daemon" : "claude"] * (0.5 + dice.fraction());
  }

  #list(point: Point): Victim[] {
    const list = this.#lists.get(point);
    if (list !== undefined && list.length > 0) return list;
    const shuffled = this.#options.dice
      .named(point)
      .named(String(this.#struck.get(point)))
      .shuffled(victimsAt[point]);
    this.#lists.set(point, shuffled);
    return shuffled;
  }
}
