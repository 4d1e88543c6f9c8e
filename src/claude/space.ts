/**
 * A session's private folders, `<spaces>/<session id>/{work,claude,tmp}`. A config folder of its own keeps sessions
 * from seeing each other (they register there) and from racing on `.claude.json`, which each start rewrites.
 */

import { glob, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Space } from "./claude.ts";

/** Creates what is missing, mode 0700. `sessionId` must be a UUID of ours: it becomes a path. */
export async function openSpace(spaces: string, sessionId: string): Promise<Space> {
  const space = spaceOf(spaces, sessionId);
  await Promise.all(Object.values(space).map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })));
  return space;
}

/** Removes all of it. No process of it may run. */
export async function removeSpace(spaces: string, sessionId: string): Promise<void> {
  await rm(join(spaces, sessionId), { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Where Claude Code puts aside what it gives Claude to read: an output that is too long for an answer, a picture
 * (measured with the CLI 2.1.330).
 */
export async function asideFolders({ claude, tmp }: Space): Promise<string[]> {
  const folders = [tmp];
  for await (const name of glob("projects/*/*/tool-results", { cwd: claude }))
    folders.push(join(claude, name));
  return folders;
}

export function spaceOf(spaces: string, sessionId: string): Space {
  const root = join(spaces, sessionId);
  return { work: join(root, "work"), claude: join(root, "claude"), tmp: join(root, "tmp") };
}
