/**
 * The marker: `SWITCHBOARD_PROCESS=<homeId>/<generation>` in the environment of every process that a daemon
 * starts. Whatever such a process starts inherits it, also through a double fork, setsid and the daemon's
 * death. So it is the evidence by which a tree is found whole; names and recorded pids prove nothing.
 *
 * It is evidence against accidents, not a wall: a program that clears its environment, leaves the group and
 * outlives its parent is not found by it.
 */
import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";

export interface Marker {
  /** Which home the process belongs to; see `homeId`. */
  readonly homeId: string;
  /** Which of the home's processes it is: an integer that is never given twice. */
  readonly generation: number;
}

export const MARKER_VARIABLE = "SWITCHBOARD_PROCESS";

export function formatMarker({ homeId, generation }: Marker): string {
  return `${homeId}/${generation}`;
}

export function parseMarker(value: string): Marker | undefined {
  const [, homeId, generation] = /^([0-9a-f]{16})\/(\d{1,15})$/.exec(value) ?? [];
  if (homeId === undefined || generation === undefined) return undefined;
  return { homeId, generation: Number(generation) };
}

export function sameMarker(a: Marker | undefined, b: Marker): boolean {
  return a?.homeId === b.homeId && a.generation === b.generation;
}

/**
 * The stable id of the home folder at `path`: 16 hex digits, made of where the folder is and which folder it
 * is (device and inode). A copied home gets an id of its own, so that two daemons never reap each other's
 * processes. Rejects when there is no such folder.
 */
export async function homeId(path: string): Promise<string> {
  const real = await realpath(path);
  const { dev, ino } = await stat(real, { bigint: true });
  return createHash("sha256").update(`${real}\0${dev}\0${ino}`).digest("hex").slice(0, 16);
}
