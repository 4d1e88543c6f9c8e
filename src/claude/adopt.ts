/**
 * Conversations from another host's Claude config folder. They are copied: what that host has stays as it is, and each
 * copy stands alone in a space. A link is not followed into a space, for it could lead out of it again.
 */

import { createReadStream } from "node:fs";
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Space } from "./claude.ts";
import { isConversation } from "./transcript.ts";

/** The transcripts of a config folder by their SDK session ids; of several of one id the one that was written last. */
export async function transcriptsIn(configFolder: string): Promise<Map<string, string>> {
  const projects = join(configFolder, "projects");
  const found = new Map<string, { file: string; writtenAt: number }>();
  for (const folder of await readdir(projects, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    for (const name of await readdir(join(projects, folder.name))) {
      if (!name.endsWith(".jsonl")) continue;
      const file = join(projects, folder.name, name);
      const { mtimeMs: writtenAt } = await stat(file);
      const id = basename(name, ".jsonl");
      if (writtenAt >= (found.get(id)?.writtenAt ?? 0)) found.set(id, { file, writtenAt });
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
  await copyTree(beside, join(folder, basename(beside)));
  await copyFile(file, join(folder, basename(file)));
  return true;
}

async function holdsConversation(file: string): Promise<boolean> {
  const stream = createReadStream(file, "utf8");
  try {
    for await (const line of createInterface({ input: stream })) if (isConversation(line)) return true;
    return false;
  } finally {
    stream.destroy();
  }
}

/** Subagents' transcripts and long tool results lie in a folder of the session's name; often there is none. */
async function copyTree(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(() => []);
  if (entries.length === 0) return;
  await mkdir(to, { mode: 0o700 });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isFile()) await copyFile(source, target);
  }
}
