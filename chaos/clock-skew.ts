/**
 * Loaded into the daemon before everything else (and into its worker threads): shifts the wall clock by the number of
 * ms that stands in the file CHAOS_CLOCK names. The monotonic clock stays, as it does when a real clock jumps.
 */

import { readFileSync } from "node:fs";

/** ms of the monotonic clock from one look into the file to the next. */
const lookEveryMs = 100;

const file = process.env.CHAOS_CLOCK;
const RealDate = Date;
let shift = 0;
let looked = Number.NEGATIVE_INFINITY;

function shiftMs(): number {
  const now = performance.now();
  if (file === undefined || now - looked < lookEveryMs) return shift;
  looked = now;
  try {
    shift = Number(readFileSync(file, "utf8")) || 0;
  } catch {
    shift = 0;
  }
  return shift;
}

const now = () => RealDate.now() + shiftMs();

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, key, receiver) => (key === "now" ? now : Reflect.get(target, key, receiver)),
});
