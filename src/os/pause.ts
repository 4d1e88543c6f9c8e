import { type Clock, sleep } from "../clock.ts";

/**
 * `sleep` that keeps the Node process alive meanwhile. A clock's timer alone does not, and a daemon that is
 * about to start or has just closed everything else would end in the middle of waiting for its leftovers.
 */
export async function pause(clock: Clock, ms: number): Promise<void> {
  const alive = setInterval(() => {}, 60_000);
  await sleep(clock, ms);
  clearInterval(alive);
}
