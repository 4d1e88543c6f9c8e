/**
 * Tells systemd how the daemon is (sd_notify): that it has started, that it ends, and, as often as systemd wants to hear it,
 * that it is well. Node has no datagram sockets of the Unix kind, so each message is sent by `systemd-notify`, which
 * is there wherever systemd is.
 */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";

const run = promisify(execFile);

/** ms that a message may take. */
const patienceMs = 10_000;

export interface Supervisor {
  /** Messages are accepted at this address. */
  ready(url: string): Promise<void>;
  stopping(): Promise<void>;
  /**
   * Says that all is well whenever `isWell` resolves, and nothing when it rejects or takes its time. It is asked by a timer,
   * so an event loop that hangs says nothing, either. Returns a function that ends it.
   */
  watch(isWell: () => Promise<unknown>): () => void;
}

export interface SupervisorOptions {
  env: Record<string, string | undefined>;
  pid: number;
  clock: Clock;
  log: Logger;
}

/** What systemd has put into the environment decides; without it nobody is told anything. */
export function supervisorOf({ env, pid, clock, log }: SupervisorOptions): Supervisor {
  const { NOTIFY_SOCKET, PATH } = env;
  const tell = async (...lines: string[]) => {
    if (!NOTIFY_SOCKET) return;
    try {
      await run("systemd-notify", lines, { env: { NOTIFY_SOCKET, PATH }, timeout: patienceMs });
    } catch (error) {
      log.warn({ error: String(error) }, "systemd could not be told");
    }
  };
  const everyMs = watchdogMs(env, pid);
  return {
    ready: (url) => tell("READY=1", `STATUS=Messages are accepted at ${url}`),
    stopping: () => tell("STOPPING=1", "STATUS=Running turns may end"),
    watch(isWell) {
      if (everyMs === null) return () => {};
      let isAsking = false;
      return clock.every(everyMs / 2, () => {
        if (isAsking) return;
        isAsking = true;
        const asked = isWell().then(
          () => tell("WATCHDOG=1"),
          (error) =>
            log.warn({ error: String(error) }, "the daemon is not well, and systemd is not told that it is"),
        );
        void asked.finally(() => {
          isAsking = false;
        });
      });
    },
  };
}

/** ms after which systemd takes a silent daemon for dead; null: it does not watch this process. */
export function watchdogMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Record<string, string | undefined>,
  pid: number,
): number | null {
  const isMeant = !WATCHDOG_PID || Number(WATCHDOG_PID) === pid;
  const ms = Number(WATCHDOG_USEC) / 1000;
  return isMeant && ms > 0 ? ms : null;
}
