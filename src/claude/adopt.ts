/**
 * Conversations from another host's Claude config folder. They are copied: what that host has stays as it is, and each
 * copy stands alone in a space. What lies beside a transcript is taken only where it is a plain file: a link could lead
 * out of the space again.
 */

import { chmod, copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Space } from "./claude.ts";
import { copyBeside } from "./copy.ts";
import { holdsConversation } from "./transcript.ts";

/**
 * The transcripts of a config folder by their SDK session ids; of several of one id the one that was written last.
 * What cannot be read or is no file is passed over. Rejects when there is no such folder.
 */
export async function transcriptsIn(configFolder: string): Promise<Map<string, string>> {
  const projects = join(configFolder, "projects");
  const found = new Map<string, { file: string; writtenAt: number }>();
  for (const project of await readdir(projects)) {
    for (const name of await readdir(join(projects, project)).catch(() => [])) {
      if (!name.endsWith(".jsonl")) continue;
      const file = join(projects, project, name);
      const stats = await stat(file).catch(() => null);
      if (stats?.isFile() !== true) continue;
      const id = basename(name, ".jsonl");
      if (stats.mtimeMs >= (found.get(id)?.writtenAt ?? 0)) found.set(id, { file, writtenAt: stats.mtimeMs });
    }
  }
  return new Map([...found].map(([id, { file }]) => [id, file]));
}

/** Copies a transcript, with what belongs to it, into a space. False, and nothing copied, when no conversation is in it. */
export async function adoptTranscript(file: string, space: Space): Promise<boolean> {
  if (!(await holdsConversation(file))) return false;
  // The folder is named for the working directory of the other host; Claude Code looks into all of them.
  const folder = join(space.claude, "projects", basename(dirname(file)));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const beside = file.slice(0, -".jsonl".length);
  await copyBeside(beside, join(folder, basename(beside)));
  await copyPlain(file, join(folder, basename(file)));
  return true;
}

/** A copy keeps the mode, and the session must be able to write on. */
async function copyPlain(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o600);
}
