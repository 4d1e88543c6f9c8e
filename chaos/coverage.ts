/** How often each fault has struck, as the table by which a round is believed: what was never struck was not tested. */

import type { FaultRecord, Point, Victim } from "./evidence.ts";
import { troubles } from "./orders.ts";

export const points: readonly Point[] = [
  "accepting",
  "starting",
  "streaming",
  "in a tool",
  "after a tool",
  "closing",
  "between commit and send",
];

export const victims: readonly Victim[] = [
  "claude KILL",
  "daemon KILL",
  "claude STOP",
  "claude STOP, daemon KILL",
];

export interface Coverage {
  readonly markdown: string;
  /** What should have been struck and was not. */
  readonly missing: readonly string[];
  readonly kills: number;
}

export interface Expected {
  /** What each point must have had. */
  readonly leastKills: number;
  /** Whether every other fault must have struck. */
  readonly others: boolean;
  /** Faults that this machine does not allow, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
}

export function coverageOf(records: readonly FaultRecord[], expected: Expected): Coverage {
  const { leastKills, skipped } = expected;
  const strikes = records.filter((record) => record.kind === "strike");
  const count = (point: Point, victim: Victim) =>
    strikes.filter((strike) => strike.point === point && strike.victim === victim).length;
  const killsAt = (point: Point) =>
    strikes.filter((strike) => strike.point === point && strike.victim.includes("KILL")).length;
  const head = ["killed or stopped", ...victims, "kills"];
  const rows = points.map((point) => [
    point,
    ...victims.map((victim) => count(point, victim)),
    killsAt(point),
  ]);

  const others = otherFaults(records);
  const missing = [
    ...points
      .filter((point) => killsAt(point) < leastKills)
      .map((point) => `kills ${point}: ${killsAt(point)}`),
    ...[...others].flatMap(([name, n]) => (n > 0 || !expected.others || skipped.has(name) ? [] : [name])),
  ];
  const otherRows = [...others].map(([name, n]) => [
    name,
    skipped.has(name) ? `skipped: ${skipped.get(name)}` : n,
  ]);
  return {
    markdown: `${table(head, rows)}\n\n${table(["other faults", "times"], otherRows)}`,
    missing,
    kills: strikes.filter(({ victim }) => victim.includes("KILL")).length,
  };
}

function otherFaults(records: readonly FaultRecord[]): Map<string, number> {
  const names = [
    ...[...troubles, "usage limit"].map((trouble) => `model: ${trouble}`),
    ...["clock", "disk full", "ledger locked", "duplicate", "reordered"],
    ...["transcript truncated", "transcript deleted"],
    ...["channel failed", "channel late", "channel dropped"],
  ];
  const named = records.map(nameOf);
  return new Map(names.map((name) => [name, named.filter((other) => other === name).length]));
}

function nameOf(record: FaultRecord): string {
  switch (record.kind) {
    case "model":
      return `model: ${record.trouble}`;
    case "transcript":
      return `transcript ${record.how}`;
    case "channel":
      return `channel ${record.how}`;
    default:
      return record.kind;
  }
}

function table(head: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number>>): string {
  const line = (cells: readonly unknown[]) => `| ${cells.join(" | ")} |`;
  const rule = `|${head.map((_, i) => (i === 0 ? "---" : "--:")).join("|")}|`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
