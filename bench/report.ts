/** What a run has found, as rows of one table. */

import { type Timings, timingsOf } from "./statistics.ts";

export interface Row {
  measure: string;
  contender: string;
  timings: Timings;
  /** Null where the time of one is what is asked for. */
  perSecond: number | null;
  /** This row's number through that of others: of medians where `perSecond` is null, else of those. */
  ratios: Array<{ to: string; value: number }>;
}

/** Samples of durations in ms. */
export function latencyRow(measure: string, contender: string, samples: readonly number[]): Row {
  return { measure, contender, timings: timingsOf(samples), perSecond: null, ratios: [] };
}

export function rateRow(
  measure: string,
  contender: string,
  samples: readonly number[],
  perSecond: number,
): Row {
  return { measure, contender, timings: timingsOf(samples), perSecond, ratios: [] };
}

export function compared(row: Row, rivals: Readonly<Record<string, Row>>): Row {
  const ratios = Object.entries(rivals).map(([to, rival]) => ({
    to,
    value: (row.perSecond ?? row.timings.medianMs) / (rival.perSecond ?? rival.timings.medianMs),
  }));
  return { ...row, ratios };
}

const columns = ["measure", "contender", "n", "median ms", "p99 ms", "per second", "ratio"];

export function markdown(rows: readonly Row[]): string {
  const cells = rows.map(({ measure, contender, timings, perSecond, ratios }, at) => [
    measure === rows[at - 1]?.measure ? "" : measure,
    contender,
    String(timings.n),
    digits(timings.medianMs),
    digits(timings.p99Ms),
    perSecond === null ? "" : String(Math.round(perSecond)),
    ratios.map(({ to, value }) => `${value.toFixed(2)} × ${to}`).join(", "),
  ]);
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  return [line(columns), "|---|---|--:|--:|--:|--:|---|", ...cells.map(line)].join("\n");
}

/** Three significant digits, without an exponent. */
function digits(ms: number): string {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.max(ms, 0.001))));
  return ms.toFixed(Math.min(decimals, 3));
}
