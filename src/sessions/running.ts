/**
 * Which sessions have a process, as files: a daemon that was killed cannot clear up after its processes, so the next one
 * does, and must not look through a million spaces for it. A note is made before the spawn and taken away when the
 * traces have been removed. A spare that no chat has taken is no session yet: its space is removed as a whole.
 */

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { clearTraces, removeSpace, spaceOf } from "../claude/index.ts";
import type { Folders } from "./ground.ts";

const spareSuffix = ".spare";

export async function noteRunning(folders: Folders, sessionId: string): Promise<void> {
  await note(folders, sessionId);
}

export async function noteSpare(folders: Folders, sessionId: string): Promise<void> {
  await note(folders, `${sessionId}${spareSuffix}`);
}

/** To be called when its space is gone, or noted as a session's. */
export async function forgetSpare({ running }: Folders, sessionId: string): Promise<void> {
  await rm(join(running, `${sessionId}${spareSuffix}`), { force: true });
}

async function note({ running }: Folders, name: string): Promise<void> {
  await mkdir(running, { recursive: true, mode: 0o700 });
  await writeFile(join(running, name), "", { mode: 0o600 });
}

/** To be called when nothing of the process's tree is left. */
export async function clearAfter({ spaces, running }: Folders, sessionId: string): Promise<void> {
  await clearTraces(spaceOf(spaces, sessionId));
  await rm(join(running, sessionId), { force: true });
}

/** After the processes of an earlier daemon. Before any session is opened. */
export async function clearLeft(folders: Folders): Promise<void> {
  const names: string[] = await readdir(folders.running).catch(() => []);
  const spares = names.flatMap((name) =>
    name.endsWith(spareSuffix) ? [name.slice(0, -spareSuffix.length)] : [],
  );
  for (const sessionId of spares) {
    // One that is noted as a session's, too, was being taken.
    if (!names.includes(sessionId)) await removeSpace(folders.spaces, sessionId);
    await forgetSpare(folders, sessionId);
  }
  for (const name of names) if (!name.endsWith(spareSuffix)) await clearAfter(folders, name);
}
