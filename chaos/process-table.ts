/**
 * The home's processes by Linux' /proc, with means of the kit's own. One is known by the home's mark in its environment;
 * which session it serves, by the folders that the environment names. Only `stat` is read of processes that are known.
 */

import { readdirSync, readFileSync } from "node:fs";
import type { ProcessSeen } from "./evidence.ts";

/** Clock ticks (10 ms). A process so young may be yet to become what it is started as, and to get its environment. */
const youngTicks = 200;

interface Stat {
  state: string;
  startTime: number;
}

/** Null for what is not of this home. */
type Known = Omit<ProcessSeen, "stopped"> | null;

export class ProcessTable {
  readonly #spaces: string;
  /** By pid and start time. */
  #known = new Map<string, Known>();

  constructor(home: string) {
    this.#spaces = `${home}/spaces/`;
  }

  /** Those that live, all at one moment: of two that seem to overlap, both are looked at again. */
  look(): ProcessSeen[] {
    const seen = this.#all();
    const generations = new Map<string, number>();
    const overlap = seen.some(({ space, generation }) => {
      const other = generations.get(space) ?? generation;
      generations.set(space, generation);
      return other !== generation;
    });
    return overlap ? seen.filter(({ pid, startTime }) => statOf(pid)?.startTime === startTime) : seen;
  }

  #all(): ProcessSeen[] {
    const known = new Map<string, Known>();
    const uptime = Number(read("/proc/uptime").split(" ")[0]) * 100;
    const seen = readdirSync("/proc").flatMap((name): ProcessSeen[] => {
      const pid = Number(name);
      const stat = pid > 0 ? statOf(pid) : undefined;
      if (stat === undefined) return [];
      const key = `${pid}/${stat.startTime}`;
      let found = this.#known.get(key);
      if (found === undefined) {
        found = this.#describe(pid, stat.startTime);
        if (found === null && uptime - stat.startTime < youngTicks) return [];
      }
      known.set(key, found);
      return found === null ? [] : [{ ...found, stopped: stat.state === "T" }];
    });
    this.#known = known;
    return seen;
  }

  #describe(pid: number, startTime: number): Known {
    const environ = read(`/proc/${pid}/environ`);
    const at = environ.indexOf(this.#spaces);
    const generation = /(?:^|\0)SWITCHBOARD_PROCESS=[0-9a-f]+\/(\d+)(?:\0|$)/.exec(environ)?.[1];
    if (at < 0 || generation === undefined) return null;
    const [space = ""] = environ.slice(at + this.#spaces.length).split(/[/\0]/, 1);
    const claude = read(`/proc/${pid}/cmdline`).includes("--input-format\0stream-json");
    return { pid, startTime, generation: Number(generation), space, claude };
  }
}

/** Of all processes: those whose environment or command line names `text`. */
export function processesNaming(text: string): Array<{ pid: number; command: string }> {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid || statOf(pid) === undefined) return [];
    const command = read(`/proc/${pid}/cmdline`);
    if (!command.includes(text) && !read(`/proc/${pid}/environ`).includes(text)) return [];
    return [{ pid, command: command.replaceAll("\0", " ").trim() }];
  });
}

/** Sends a signal to a process that was seen; false when it is not there any more. */
export function signalSeen({ pid, startTime }: ProcessSeen, name: NodeJS.Signals): boolean {
  if (statOf(pid)?.startTime !== startTime) return false;
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** proc_pid_stat(5); undefined for the dead, zombies among them. */
function statOf(pid: number): Stat | undefined {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = ""] = fields;
  if (state === "" || state === "Z" || state === "X") return undefined;
  return { state, startTime: Number(fields[19]) };
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
