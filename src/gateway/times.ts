/** How patient the gateway is with the model's API, all in one place. In ms. */
export interface Times {
  /** The bound of the first pause after a failure; each further failure doubles it. Pauses are jittered from 0 to it. */
  firstPauseMs: number;
  longestPauseMs: number;
  /** From one request to the next that are let go when the API is well again; the number doubles each time. */
  paceMs: number;
  /** From one look to the next whether a refused credential, or an unpaid one, is taken again. */
  probeEveryMs: number;
  /** How long a probe may be silent before the next request probes beside it. */
  slowProbeMs: number;
  /** For how long transient trouble is kept from a process; then it gets the last error. */
  patienceMs: number;
  /** Without a byte from the API, a stream counts as stalled. */
  stallMs: number;
  /** Without a byte to the process, before it gets its first ping. */
  quietMs: number;
  /** From one ping to the next. */
  pingMs: number;
}

export const defaultTimes: Times = {
  firstPauseMs: 500,
  // One request that fails for its own sake must not keep the others waiting for long.
  longestPauseMs: 20_000,
  paceMs: 100,
  probeEveryMs: 5 * 60_000,
  slowProbeMs: 5_000,
  patienceMs: 10 * 60_000,
  // The API pings streams more often than that.
  stallMs: 60_000,
  // Until then a failure still reaches the process with its own status. Claude Code waits 60 s (src/claude/launch.ts).
  quietMs: 15_000,
  pingMs: 5_000,
};

/** ms to wait after so many failures in a row: exponential, with full jitter. `random` gives 0 to 1. */
export function pauseMs(
  failures: number,
  random: () => number,
  { firstPauseMs, longestPauseMs }: Pick<Times, "firstPauseMs" | "longestPauseMs">,
): number {
  return random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1));
}
