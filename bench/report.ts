/** What a run has found, as rows of one table. */

import { type Timings, timingsOf } from "./statistics.ts";

export interface Row {
  measure: string;
  contender: string;
  timings: Timings;
  /** Null where the time of one is what is asked for. */
  perSecond: number | null;
  /** Against other rows, by `perSecond` or, where that is null, by the median. */
  comparisons: Comparison[];
}

export interface Comparison {
  to: string;
  /** This row's number through the other's. */
  ratio: number;
  /** This row's number less the other's. */
  difference: number;
}

/** Samples of durations in ms. */
export function latencyRow(measure: string, contender: string, samples: readonly number[]): Row {
  return { measure, contender, timings: timingsOf(samples), perSecond: null, comparisons: [] };
}

export function rateRow(
  measure: string,
  contender: string,
  samples: readonly number[],
  perSecond: number,
): Row {
  return { measure, contender, timings: timingsOf(samples), perSecond, comparisons: [] };
}

export function compared(row: Row, rivals: Readonly<Record<string, Row>>): Row {
  const number = ({ perSecond, timings }: Row) => perSecond ?? timings.medianMs;
  const comparisons = Object.entries(rivals).map(([to, rival]) => ({
    to,
    ratio: number(row) / number(rival),
    difference: number(row) - number(rival),
  }));
  return { ...row, comparisons };
}

const columns = ["measure", "contender", "n", "median ms", "p99 ms", "per second", "against"];

export function markdown(rows: readonly Row[]): string {
  const cells = rows.map(({ measure, contender, timings, perSecond, comparisons }, at) => [
    measure === rows[at - 1]?.measure ? "" : measure,
    contender,
    String(timings.n),
    digits(timings.medianMs),
    digits(timings.p99Ms),
    perSecond === null ? "" : String(Math.round(perSecond)),
    comparisons
      .map(({ to, ratio, difference }) => {
        const times = `${ratio.toFixed(2)} × ${to}`;
        return perSecond === null
          ? `${times} (${difference < 0 ? "−" : "+"}${digits(Math.abs(difference))} ms)`
          : times;
      })
      .join(", "),
  ]);
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  return [line(columns), "|---|---|--:|--:|--:|--:|---|", ...cells.map(line)].join("\n");
}

/** Three significant digits, without an exponent. */
function digits(ms: number): string {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.max(ms, 0.001))));
  return ms.toFixed(Math.min(decimals, 3));
}
