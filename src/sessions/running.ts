/**
 * Which sessions have a process, as files: a daemon that was killed cannot clear up after its processes, so the next one
 * does, and must not look through a million spaces for it. A note is made before the spawn and taken away when the
 * traces have been removed.
 */

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clearTraces, spaceOf } from "../claude/index.ts";
import type { Folders } from "./ground.ts";

export async function noteRunning({ running }: Folders, sessionId: string): Promise<void> {
  await mkdir(running, { recursive: true, mode: 0o700 });
  await writeFile(join(running, sessionId), "", { mode: 0o600 });
}

/** To be called when nothing of the process's tree is left. */
export async function clearAfter({ spaces, running }: Folders, sessionId: string): Promise<void> {
  await clearTraces(spaceOf(spaces, sessionId));
  await rm(join(running, sessionId), { force: true });
}

/** After the processes of an earlier daemon. Before any session is opened. */
export async function clearLeft(folders: Folders): Promise<void> {
  for (const sessionId of await readdir(folders.running).catch(() => []))
    await clearAfter(folders, sessionId);
}
