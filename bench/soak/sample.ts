/** What a daemon holds at one moment, in quantities by name: counts, but where the name says MiB. */

import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { processesNaming } from "../../chaos/process-table.ts";
import type { SoakDaemon } from "./daemon.ts";

export type Quantities = Readonly<Record<string, number>>;

export interface Sample {
  /** What must not grow. */
  cost: Quantities;
  /** What grows with the number of chats, sessions, messages. */
  past: Quantities;
  /** ms that the daemon itself has used since its start; what its processes use is theirs. */
  cpuMs: number;
}

/**
 * What a process leaves in its space when it is killed, unless somebody clears up (src/claude/traces.ts): sockets, keys, locks,
 * files that were to replace others, probe folders. A living one has three of them.
 */
const trace =
  /\/tmp\/cc-socks\/.|\/claude\/sessions\/.|\/shell-snapshots\/.|\/fswatch-probe-|-cwd$|\.lock$|\.tmp\./;

export async function sampleOf(daemon: SoakDaemon): Promise<Sample> {
  const { home } = daemon;
  const { main, threads, resident, cpuMs, handles } = await daemon.probe();
  const descriptors = daemon.descriptors();
  const sockets = descriptors.filter((target) => target.startsWith("socket:")).length;
  const pipes = descriptors.filter((target) => target.startsWith("pipe:")).length;
  const inSpaces = entriesIn(join(home, "spaces"));
  const spaces = namesIn(join(home, "spaces"));
  const transcripts = inSpaces.filter((path) => path.endsWith(".jsonl"));
  const traces = inSpaces.filter((path) => trace.test(path));
  const others = inSpaces.length - spaces.length - transcripts.length - traces.length;
  return {
    cpuMs,
    cost: {
      "heap of the main thread: objects, MiB": mebibytes(main.objects),
      "heap of the main thread: code, MiB": mebibytes(main.code),
      "heap of the ledger's thread: objects, MiB": mebibytes(threads.objects),
      "heap of the ledger's thread: code, MiB": mebibytes(threads.code),
      "memory outside of the heaps, MiB": mebibytes(main.external + threads.external),
      "of this, array buffers, MiB": mebibytes(main.arrayBuffers + threads.arrayBuffers),
      "resident: V8's heaps, garbage included, MiB": mebibytes(main.physical + threads.physical),
      "resident: other memory, MiB": mebibytes(resident.others - main.physical - threads.physical),
      "resident: pages of files, MiB": mebibytes(resident.files),
      ...Object.fromEntries(Object.entries(handles).map(([kind, count]) => [`handles: ${kind}`, count])),
      "descriptors: sockets": sockets,
      "descriptors: pipes": pipes,
      "descriptors: others": descriptors.length - sockets - pipes,
      "child processes, zombies included": daemon.children(),
      "processes of the home": processesNaming(`${home}/`).length,
      "entries in the system's temporary folder": entriesIn(daemon.temporary).length,
      "files in running/": namesIn(join(home, "running")).length,
      "traces of processes in spaces": traces.length,
      "log of the database, MiB": mebibytes(sizeOf(join(home, "switchboard.db-wal"))),
    },
    past: {
      "links in chats/": namesIn(join(home, "chats")).length,
      spaces: spaces.length,
      transcripts: transcripts.length,
      "other entries in spaces": others,
      "copies of transcripts": entriesIn(join(home, "transcripts")).filter((path) => path.endsWith(".jsonl"))
        .length,
      "database, MiB": mebibytes(sizeOf(join(home, "switchboard.db"))),
    },
  };
}

/** Files and folders, at any depth. What goes away meanwhile is left out: idle processes write, too. */
function entriesIn(folder: string): string[] {
  return namesIn(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...entriesIn(path)] : [path];
  });
}

function namesIn(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function mebibytes(bytes: number): number {
  return bytes / 2 ** 20;
}
