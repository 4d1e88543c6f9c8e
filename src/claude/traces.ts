/**
 * What a killed Claude Code process leaves in its space (measured with the CLI 2.1.330): its socket, its entry among the
 * running sessions with a key, empty probe folders, a file with the last working directory of Bash and shell snapshots;
 * of one that had just started, also the lock on its settings and their half-written copy. One that ends in order removes
 * them itself. Nothing of the conversation is among them.
 */

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Space } from "./claude.ts";

/** Removes them. No process of the space may run. */
export async function clearTraces({ tmp, claude }: Space): Promise<void> {
  await Promise.all([
    removeAll(join(tmp, "cc-socks"), () => true),
    removeAll(join(claude, "sessions"), () => true),
    removeAll(join(claude, "shell-snapshots"), () => true),
    removeAll(claude, (name) => name === ".claude.json.lock" || name.startsWith(".claude.json.tmp.")),
    removeAll(tmp, (name) => /^claude-.*-cwd$/.test(name)),
    ...(await namesIn(tmp))
      .filter((name) => /^claude-\d+$/.test(name))
      .map((name) => removeAll(join(tmp, name), (inner) => inner.startsWith("fswatch-probe-"))),
  ]);
}

async function removeAll(folder: string, which: (name: string) => boolean): Promise<void> {
  const names = (await namesIn(folder)).filter(which);
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** None when there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}
