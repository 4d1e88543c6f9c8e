/**
 * The undocumented JSONL transcript of Claude Code, read only here. The SDK's own helpers read the host's
 * environment for the config folder, so they are of no use to a host with one folder a session.
 *
 * Measured with the CLI 2.1.330:
 * - it lies in `<config>/projects/<any>/<session id>.jsonl`; a later cwd does not move it;
 * - a message that began a turn is a `user` line with its uuid; earlier members of a merged turn stand only in that
 *   line's `mergedSendUuids`, one that joined a running turn only as `attachment.source_uuid` of a `queued_command`;
 * - a message that was only queued stands nowhere;
 * - a kill can cut the last line; the CLI ignores it on resume, and so do we.
 */

import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Space } from "./claude.ts";

/** A field of another form than ours does not hide the others: a message that is overlooked would be sent again. */
const entry = z.object({
  type: z.string(),
  uuid: z.string().optional().catch(undefined),
  mergedSendUuids: z.array(z.string()).optional().catch(undefined),
  attachment: z.object({ type: z.string(), source_uuid: z.string().optional() }).optional().catch(undefined),
  totalCostUSD: z.number().optional().catch(undefined),
});

/** The session's transcript, or null when there is none. */
export async function findTranscript(space: Space, sdkSessionId: string): Promise<string | null> {
  const projects = join(space.claude, "projects");
  const file = `${sdkSessionId}.jsonl`;
  for (const folder of await namesIn(projects)) {
    if ((await namesIn(join(projects, folder))).includes(file)) return join(projects, folder, file);
  }
  return null;
}

/** The uuids of all messages that the transcript shows as taken in by a turn. */
export async function takenUuids(file: string): Promise<Set<string>> {
  const taken = new Set<string>();
  for (const line of entriesIn(await readFile(file, "utf8"))) {
    if (line.type === "user" && line.uuid !== undefined) taken.add(line.uuid);
    for (const uuid of line.mergedSendUuids ?? []) taken.add(uuid);
    const joined = line.attachment?.type === "queued_command" ? line.attachment.source_uuid : undefined;
    if (joined !== undefined) taken.add(joined);
  }
  return taken;
}

/**
 * Whether a line is something that was said in the conversation itself. As strict as the CLI, which resumes no transcript
 * without such a line: it looks for the type as it writes it, without a blank, and leaves out what subagents said (measured).
 */
export function isConversation(line: string): boolean {
  if (!/"type":"(?:user|assistant)"/.test(line) || line.includes('"isSidechain":true')) return false;
  return entriesIn(line).some(
    ({ type, uuid }) => (type === "user" || type === "assistant") && uuid !== undefined,
  );
}

/** Bytes that are read first. The `cost-state` line is written after each turn; only a cut turn lies behind it. */
const tailBytes = 65_536;

/** What the session has cost so far in USD, as the transcript's last turn saved it; results continue from there. */
export async function savedCost(file: string): Promise<number> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    for (let length = tailBytes; ; length *= 4) {
      const buffer = Buffer.alloc(Math.min(size, length));
      await handle.read(buffer, 0, buffer.length, size - buffer.length);
      const costs = entriesIn(buffer.toString("utf8")).flatMap((line) => line.totalCostUSD ?? []);
      if (costs.length > 0 || buffer.length === size) return costs.at(-1) ?? 0;
    }
  } finally {
    await handle.close();
  }
}

function entriesIn(text: string): Array<z.output<typeof entry>> {
  return text.split("\n").flatMap((line) => {
    try {
      const parsed = entry.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
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
