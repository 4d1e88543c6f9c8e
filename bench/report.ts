/** What a run has found, as rows of one table. */

import { type Summary, summaryOf } from "./statistics.ts";

export interface Row {
  measure: string;
  contender: string;
  /** Of what was measured. */
  unit: "ms" | "MiB" | "KiB" | "sessions";
  /** Of no samples where only a rate was computed. */
  summary: Summary;
  /** Null where the time of one is what is asked for. */
  perSecond: number | null;
  /** The share of messages that found their chat's process alive, from 0 to 1; null where that is not asked for. */
  alive: number | null;
  /** What one took of the CPU; null where that is not told. */
  cpuMs: number | null;
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
  return {
    measure,
    contender,
    unit: "ms",
    summary: summaryOf(samples),
    perSecond: null,
    alive: null,
    cpuMs: null,
    comparisons: [],
  };
}

export function rateRow(
  measure: string,
  contender: string,
  samples: readonly number[],
  perSecond: number,
): Row {
  return { ...latencyRow(measure, contender, samples), perSecond };
}

/** A rate that follows from others. */
export function computedRate(measure: string, contender: string, perSecond: number): Row {
  return rateRow(measure, contender, [], perSecond);
}

/** Samples of memory in MiB. */
export function memoryRow(measure: string, contender: string, samples: readonly number[]): Row {
  return quantityRow("MiB", measure, contender, samples);
}

export function quantityRow(
  unit: Row["unit"],
  measure: string,
  contender: string,
  samples: readonly number[],
): Row {
  return { ...latencyRow(measure, contender, samples), unit };
}

/** With a rival of which nothing was measured there is no comparison. */
export function compared(row: Row, rivals: Readonly<Record<string, Row>>): Row {
  const number = ({ perSecond, summary }: Row) => perSecond ?? summary.median;
  const comparisons = Object.entries(rivals).map(([to, rival]) => ({
    to,
    ratio: number(row) / number(rival),
    difference: number(row) - number(rival),
  }));
  return { ...row, comparisons: comparisons.filter(({ ratio }) => Number.isFinite(ratio)) };
}

/** A table for each unit; of columns, those that some row fills. */
export function markdown(rows: readonly Row[]): string {
  const byUnit = Map.groupBy(rows, ({ unit }) => unit);
  return [...byUnit].map(([unit, ofUnit]) => table(unit, ofUnit)).join("\n\n");
}

interface Column {
  title: string;
  isNumber: boolean;
  cell(row: Row, above: Row | undefined): string;
}

function columnsOf(unit: string): Column[] {
  return [
    {
      title: "measure",
      isNumber: false,
      cell: ({ measure }, above) => (measure === above?.measure ? "" : measure),
    },
    { title: "contender", isNumber: false, cell: ({ contender }) => contender },
    { title: "n", isNumber: true, cell: ({ summary }) => (summary.n === 0 ? "" : String(summary.n)) },
    { title: `median ${unit}`, isNumber: true, cell: ({ summary }) => digits(summary.median) },
    { title: `p99 ${unit}`, isNumber: true, cell: ({ summary }) => digits(summary.p99) },
    { title: "CPU ms", isNumber: true, cell: ({ cpuMs }) => (cpuMs === null ? "" : digits(cpuMs)) },
    {
      title: "per second",
      isNumber: true,
      cell: ({ perSecond }) => (perSecond === null ? "" : rateText(perSecond)),
    },
    {
      title: "found alive",
      isNumber: true,
      cell: ({ alive }) => (alive === null ? "" : `${(100 * alive).toFixed(1)} %`),
    },
    { title: "against", isNumber: false, cell: against },
  ];
}

function table(unit: string, rows: readonly Row[]): string {
  const columns = columnsOf(unit)
    .map(({ cell, ...column }) => ({ ...column, cells: rows.map((row, at) => cell(row, rows[at - 1])) }))
    .filter(({ cells }) => cells.some((cell) => cell !== ""));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(({ title }) => title)),
    `|${columns.map(({ isNumber }) => (isNumber ? "--:" : "---")).join("|")}|`,
    ...rows.map((_, at) => line(columns.map(({ cells }) => cells[at] ?? ""))),
  ].join("\n");
}

function against({ comparisons, perSecond, unit }: Row): string {
  return comparisons
    .map(({ to, ratio, difference }) => {
      const times = `${ratio.toFixed(2)} × ${to}`;
      return perSecond === null
        ? `${times} (${difference < 0 ? "−" : "+"}${digits(Math.abs(difference))} ${unit})`
        : times;
    })
    .join(", ");
}

function rateText(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : digits(perSecond);
}

/** Three significant digits, without an exponent; nothing for what is not known. */
function digits(number: number): string {
  if (Number.isNaN(number)) return "";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(number), 0.001))));
  return number.toFixed(Math.min(decimals, 3));
}
