/**
 * The undocumented JSONL transcript of Claude Code, read only here. The SDK's own helpers read the host's
 * environment for the config folder, so they are of no use to a host with one folder a session.
 *
 * Measured with the CLI 2.1.330: it lies in `<config>/projects/<any>/<session id>.jsonl`; a later cwd does not move it.
 */

import { createReadStream } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Space } from "./claude.ts";
import { entriesIn, type TranscriptTurn, turnsIn } from "./turns.ts";

/** The session's transcript, or null when there is none. */
export async function findTranscript(space: Space, sdkSessionId: string): Promise<string | null> {
  return await findIn(join(space.claude, "projects"), sdkSessionId);
}

/** Below a folder that is laid out as the CLI's `projects` is. */
export async function findIn(projects: string, sdkSessionId: string): Promise<string | null> {
  const file = `${sdkSessionId}.jsonl`;
  for (const folder of await namesIn(projects)) {
    if ((await namesIn(join(projects, folder))).includes(file)) return join(projects, folder, file);
  }
  return null;
}

/** All turns, oldest first. */
export async function readTurns(file: string): Promise<TranscriptTurn[]> {
  return turnsIn(entriesIn(await readFile(file, "utf8")));
}

/** The last turn, without reading what lies far before it; null when there is none. */
export async function lastTurn(file: string): Promise<TranscriptTurn | null> {
  return await fromTail(file, (entries, whole) => {
    const turn = turnsIn(entries).at(-1);
    if (turn === undefined) return whole ? null : undefined;
    // The answer before it may stand further up.
    return turn.before === null && turn.end.kind !== "answered" && !whole ? undefined : turn;
  });
}

/**
 * Whether a line is something that was said in the conversation itself. As strict as the CLI, which resumes no transcript
 * without such a line: it looks for the type as it writes it, without a blank, and leaves out what subagents said (measured).
 */
function isConversation(line: string): boolean {
  if (!/"type":"(?:user|assistant)"/.test(line) || line.includes('"isSidechain":true')) return false;
  return entriesIn(line).some(
    ({ type, uuid }) => (type === "user" || type === "assistant") && uuid !== undefined,
  );
}

/** Whether the CLI could resume it. */
export async function holdsConversation(file: string): Promise<boolean> {
  const stream = createReadStream(file, "utf8");
  try {
    for await (const line of createInterface({ input: stream })) if (isConversation(line)) return true;
    return false;
  } finally {
    stream.destroy();
  }
}

/** What the session has cost so far in USD, as the transcript's last turn saved it; results continue from there. */
export async function savedCost(file: string): Promise<number> {
  return await fromTail(file, (entries, whole) => {
    const costs = entries.flatMap(({ totalCostUSD }) => totalCostUSD ?? []);
    return costs.at(-1) ?? (whole ? 0 : undefined);
  });
}

/** Bytes that are read first. A turn is small, and its cost is written behind it. */
const tailBytes = 65_536;

/** Reads more and more of the end of the file until `find` finds something; `whole`: there is no more. */
async function fromTail<T>(
  file: string,
  find: (entries: ReturnType<typeof entriesIn>, whole: boolean) => T | undefined,
): Promise<T> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    for (let length = tailBytes; ; length *= 4) {
      const buffer = Buffer.alloc(Math.min(size, length));
      await handle.read(buffer, 0, buffer.length, size - buffer.length);
      const found = find(entriesIn(buffer.toString("utf8")), buffer.length === size);
      if (found !== undefined) return found;
      if (buffer.length === size) throw new Error(`nothing was found in all of ${file}`);
    }
  } finally {
    await handle.close();
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return [];
    throw error;
  }
}
