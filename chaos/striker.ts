/**
 * Kills and stops at chosen points. The points are recognised by evidence that others bring (a process was seen for the
 * first time, a request has come, a tool's file is there, a reply was committed); at each, the victim whose turn it is
 * there is struck, after a delay that the dice choose, if the moment still lasts. A cell (a victim at a point) that was
 * struck more often than others waits longer, so that all are struck about as often, and none waits for one that cannot be.
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
  /** A session that is to come to rest. */
  spares(space: string): boolean;
}

/** What may be struck at each point: its cells. */
const victimsAt: Readonly<Record<Point, readonly Victim[]>> = {
  accepting: ["daemon KILL"],
  starting: ["claude KILL", "daemon KILL"],
  streaming: ["claude KILL", "daemon KILL", "claude STOP", "claude STOP, daemon KILL"],
  "in a tool": ["claude KILL", "daemon KILL", "claude STOP, daemon KILL"],
  "after a tool": ["claude KILL", "daemon KILL"],
  closing: ["claude KILL", "daemon KILL"],
  "between commit and send": ["claude KILL", "daemon KILL"],
};

/** ms at most, from the evidence to the strike. */
const delays: Readonly<Record<Point, number>> = {
  accepting: 4,
  starting: 400,
  streaming: 700,
  "in a tool": 600,
  "after a tool": 20,
  closing: 40,
  "between commit and send": 2,
};

/**
 * ms. After the daemon's death all its processes have to start anew, so it comes seldom. From one strike to the next at least
 * `gap`; a cell waits `lead` longer for each strike that it is ahead of the cell of its kind that was struck least.
 */
const pace = { claude: { gap: 80, lead: 400 }, daemon: { gap: 15_000, lead: 500 } };
/** Requests of the model between two deaths of the daemon, as long as they come within the time in ms: a slow machine gets on, too. */
const livesFor = { requests: 8, mostMs: 30_000 };
/** A session whose process was struck so often since its last reply is spared: six deaths put it into quarantine. */
const mostInARow = 4;

type Kind = keyof typeof pace;

const kindOf = (victim: Victim): Kind => (victim.includes("daemon") ? "daemon" : "claude");

export class Striker {
  readonly #options: StrikerOptions;
  /** By cell. */
  readonly #struck = new Map<string, number>();
  readonly #inARow = new Map<string, number>();
  /** Sessions (or points, where no single one is concerned) whose strikes wait for their moment. */
  readonly #aimed = new Set<string>();
  readonly #last: Record<Kind, number> = { claude: 0, daemon: performance.now() };
  /** Since the daemon's last death. */
  #requests = 0;
  #over = false;
  /** Only points with fewer kills are struck. */
  #below = Number.POSITIVE_INFINITY;

  constructor(options: StrikerOptions) {
    this.#options = options;
  }

  /** From now on only what lacks kills is struck: where all are killed at their start, none comes to a tool. */
  catchUp(kills: number): void {
    this.#below = kills;
  }

  /** No further strikes. */
  stop(): void {
    this.#over = true;
  }

  /** The session has brought a reply about. */
  noteReply(space: string): void {
    this.#inARow.delete(space);
  }

  /** The model was asked. */
  noteRequest(): void {
    this.#requests += 1;
  }

  get kills(): number {
    return points.reduce((sum, point) => sum + this.#killsAt(point), 0);
  }

  /** Whether each point has had so many kills. */
  hasStruck(kills: number): boolean {
    return points.every((point) => this.#killsAt(point) >= kills);
  }

  /** The victim whose turn it is at the point now; null: nobody's. Who has to prepare a moment asks first. */
  next(point: Point): Victim | null {
    if (this.#over || !this.#options.world.accepts || this.#killsAt(point) >= this.#below) return null;
    const now = performance.now();
    const due = victimsAt[point].filter((victim) => {
      const kind = kindOf(victim);
      const { gap, lead } = pace[kind];
      const rested = now - this.#last[kind];
      if (kind === "daemon" && this.#requests < livesFor.requests && rested < livesFor.mostMs) return false;
      return rested >= gap + lead * this.#ahead(point, victim);
    });
    return due.toSorted((a, b) => this.#times(point, a) - this.#times(point, b))[0] ?? null;
  }

  /** A moment has come. Resolves when it was used, or is not wanted. */
  async offer(moment: Moment): Promise<void> {
    const { point, space } = moment;
    const victim = this.next(point);
    const session = space ?? point;
    if (victim === null || this.#aimed.has(session) || this.#isSpared(space)) return;
    this.#aimed.add(session);
    await pause(this.#options.dice.fraction() * delays[point]);
    this.#aimed.delete(session);
    // Another may have struck the daemon meanwhile.
    const rested = performance.now() - this.#last[kindOf(victim)] >= pace[kindOf(victim)].gap;
    if (!this.#over && rested && moment.holds()) this.strike(moment, victim);
  }

  /** Strikes at once, whosever turn it is. */
  strike({ point, space }: Moment, victim: Victim): void {
    const { world, faults } = this.#options;
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
    this.#struck.set(cell(point, victim), this.#times(point, victim) + 1);
    if (space !== null && victim.includes("claude"))
      this.#inARow.set(space, (this.#inARow.get(space) ?? 0) + 1);
    this.#last[kindOf(victim)] = performance.now();
    if (kindOf(victim) === "daemon") this.#requests = 0;
  }

  #isSpared(space: string | null): boolean {
    if (space === null) return false;
    return (this.#inARow.get(space) ?? 0) >= mostInARow || this.#options.spares(space);
  }

  #killsAt(point: Point): number {
    const kills = victimsAt[point].filter((victim) => victim.includes("KILL"));
    return kills.reduce((sum, victim) => sum + this.#times(point, victim), 0);
  }

  #times(point: Point, victim: Victim): number {
    return this.#struck.get(cell(point, victim)) ?? 0;
  }

  /** Of the cell of its kind that was struck least. */
  #ahead(point: Point, victim: Victim): number {
    const cells = points.flatMap((other) =>
      victimsAt[other].flatMap((one) => (kindOf(one) === kindOf(victim) ? [this.#weight(other, one)] : [])),
    );
    return this.#weight(point, victim) - Math.min(...cells);
  }

  /** What else was struck at the point counts half: one that a single victim can strike goes before the others. */
  #weight(point: Point, victim: Victim): number {
    const atPoint = victimsAt[point].reduce((sum, one) => sum + this.#times(point, one), 0);
    return (this.#times(point, victim) + atPoint) / 2;
  }
}

function cell(point: Point, victim: Victim): string {
  return `${point}/${victim}`;
}
