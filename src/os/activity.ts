/** What a process is doing now, for whoever wonders why it does not answer. */
import { activityOf } from "./process-table.ts";

export interface Activity {
  /** Stopped by a signal (SIGSTOP), or held by a debugger: it cannot react to anything but SIGKILL and SIGCONT. */
  stopped: boolean;
  /** Processor time that it has used since its start, in ms; a small step of the system's clock at a time. */
  cpuMs: number;
}

/** Null when there is no such process. Synchronous and cheap on Linux; on macOS it runs ps(1). */
export function activity(pid: number): Activity | null {
  return activityOf(pid) ?? null;
}
