/** Callers that make one call after the other, each when its last one was answered. */

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
