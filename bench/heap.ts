/** What a thread holds in its heap. Needs `--expose-gc`. */

import { setImmediate as breathe } from "node:timers/promises";
import { getHeapSpaceStatistics } from "node:v8";

/** Of one thread, in bytes, after garbage collection. */
export interface Heap {
  /** Everything but code, and what belongs to it. */
  objects: number;
  /** V8 compiles what has run often, so this grows for long, and by less and less. */
  code: number;
  external: number;
  arrayBuffers: number;
  /** What V8 has of the machine's memory for all of its spaces, garbage and free room included. */
  physical: number;
}

/** Of this thread. Twice, with a turn of the event loop in between: what finalizers let go of is garbage only then. */
export async function heap(): Promise<Heap> {
  if (globalThis.gc === undefined) throw new Error("start it with --expose-gc");
  for (let times = 0; times < 2; times++) {
    globalThis.gc();
    await breathe();
  }
  const { external, arrayBuffers } = process.memoryUsage();
  const spaces = getHeapSpaceStatistics();
  const used = (isOfCode: boolean) =>
    spaces
      .filter(({ space_name: name }) => /code|trusted/.test(name) === isOfCode)
      .reduce((total, { space_used_size: bytes }) => total + bytes, 0);
  const physical = spaces.reduce((total, { physical_space_size: bytes }) => total + bytes, 0);
  return { objects: used(false), code: used(true), external, arrayBuffers, physical };
}
