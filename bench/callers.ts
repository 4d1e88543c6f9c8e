/** Callers that make one call after the other, each when its last one was answered; and how they take turns. */

import type { Run } from "./run.ts";

export interface Load {
  callers: number;
  forMs: number;
  signal: AbortSignal;
}

/** `samples`: the ms of each call. */
export interface Throughput {
  samples: number[];
  seconds: number;
}

export async function drive(
  call: () => Promise<unknown>,
  { callers, forMs, signal }: Load,
): Promise<Throughput> {
  const samples: number[] = [];
  const begun = performance.now();
  const caller = async () => {
    for (let now = performance.now(); now - begun < forMs && !signal.aborted; ) {
      await call();
      const after = performance.now();
      samples.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { samples, seconds: (performance.now() - begun) / 1000 };
}

/** All slices of one contender. */
export interface Turns<Contender> extends Throughput {
  contender: Contender;
  /** What this process took meanwhile, in all its threads, user and system. */
  cpuMs: number;
}

/**
 * Lets the contenders take turns, slice by slice, there and back, so that all meet the same machine. The first round
 * does not count.
 */
export async function takeTurns<Contender extends { slice(): Promise<Throughput> }>(
  what: string,
  contenders: readonly Contender[],
  rounds: number,
  run: Run,
): Promise<Turns<Contender>[]> {
  const turns = contenders.map((contender): Turns<Contender> => {
    return { contender, samples: [], seconds: 0, cpuMs: 0 };
  });
  for (let round = 0; round <= rounds; round++) {
    run.say(`${what}: round ${round} of ${rounds}${round === 0 ? " (warm-up)" : ""}`);
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) {
      run.signal.throwIfAborted();
      const before = process.cpuUsage();
      const { samples, seconds } = await turn.contender.slice();
      const { user, system } = process.cpuUsage(before);
      if (round === 0) continue;
      for (const sample of samples) turn.samples.push(sample);
      turn.seconds += seconds;
      turn.cpuMs += (user + system) / 1000;
    }
  }
  return turns;
}
