/** Whether quantities have grown over a run, as rows of a table. */

import { lineThrough, summaryOf } from "../statistics.ts";
import type { Quantities } from "./sample.ts";

/** At some moment of the run. */
export interface Moment {
  /** Turns until then. */
  turns: number;
  quantities: Quantities;
}

export interface Drift {
  quantity: string;
  /** Medians of the first and of the last third. */
  first: number;
  last: number;
  /** Of the straight line that fits all moments best, per 1000 turns, with its standard error. */
  slope: number;
  slopeError: number;
  /** With every chat dormant: when the first part was over, and at the end. */
  dormantFirst: number;
  dormantLast: number;
}

/** Of each quantity that is not always 0. `dormant`: the first and the last. */
export function driftsOf(moments: readonly Moment[], dormant: readonly Quantities[]): Drift[] {
  const all = [...moments.map(({ quantities }) => quantities), ...dormant];
  const names = new Set(all.flatMap((quantities) => Object.keys(quantities)));
  return [...names]
    .filter((name) => all.some((quantities) => quantities[name]))
    .map((quantity) => driftOf(quantity, moments, dormant));
}

function driftOf(quantity: string, moments: readonly Moment[], dormant: readonly Quantities[]): Drift {
  const values = moments.map(({ quantities }) => quantities[quantity] ?? 0);
  const third = Math.max(1, Math.floor(values.length / 3));
  const { slope, slopeError } = lineThrough(moments.map(({ turns }, at) => [turns / 1000, values[at] ?? 0]));
  return {
    quantity,
    first: summaryOf(values.slice(0, third)).median,
    last: summaryOf(values.slice(-third)).median,
    slope,
    slopeError,
    dormantFirst: dormant.at(0)?.[quantity] ?? 0,
    dormantLast: dormant.at(-1)?.[quantity] ?? 0,
  };
}

export function tableOf(title: string, drifts: readonly Drift[]): string {
  const columns = [
    "first third",
    "last third",
    "difference",
    "per 1,000 turns",
    "dormant at first",
    "dormant at last",
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line([title, ...columns]),
    `|---|${columns.map(() => "--:|").join("")}`,
    ...drifts.map((drift) => line([drift.quantity, ...cellsOf(drift)])),
  ].join("\n");
}

function cellsOf({ quantity, first, last, slope, slopeError, dormantFirst, dormantLast }: Drift): string[] {
  const decimals = /, (MiB|ms)$/.test(quantity) ? 2 : 0;
  const number = (value: number) => value.toFixed(decimals);
  return [
    number(first),
    number(last),
    signed(last - first, decimals),
    `${signed(slope, 2)} ± ${slopeError.toFixed(2)}`,
    number(dormantFirst),
    number(dormantLast),
  ];
}

function signed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}
