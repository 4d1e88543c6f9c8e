/**
 * The chain of a transcript: each line of the conversation names the one that it follows, and the CLI resumes with what
 * hangs together behind the last one. So a line that a full disk has swallowed can take everything before it out of the
 * conversation: over a gap of few seconds the CLI finds its way, over a longer one it does not (measured with 2.1.330).
 * The chain is mended: what follows a line that is not there follows the one before it instead.
 *
 * Mended in place, byte for byte as long as before: that needs no room on a disk that may still be full, and a copy that is
 * mended too stays the beginning of its file.
 */

import { open, readFile } from "node:fs/promises";
import { z } from "zod";

const lineSchema = z.object({
  uuid: z.string(),
  parentUuid: z.string().nullable(),
  isSidechain: z.boolean().optional(),
});

/** How the CLI begins each line of the conversation. */
const begin = '{"parentUuid":';

interface Link {
  /** Of the first byte of the uuid. */
  at: number;
  uuid: string;
}

/** Whether there was something to mend. No process may be writing to the file. */
export async function mendChain(file: string): Promise<boolean> {
  // One character a byte; all that is looked at is ASCII.
  const links = missingLinks(await readFile(file, "latin1"));
  if (links.length === 0) return false;
  const handle = await open(file, "r+");
  try {
    for (const { at, uuid } of links) await handle.write(uuid, at, "latin1");
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return true;
}

/** What has to stand in the place of each name of a line that is not there. Lines that are not whole are none. */
export function missingLinks(transcript: string): Link[] {
  const links: Link[] = [];
  const known = new Set<string>();
  let last: string | null = null;
  for (let at = 0, end = 0; at < transcript.length; at = end + 1) {
    end = transcript.indexOf("\n", at);
    if (end === -1) end = transcript.length;
    const line = transcript.startsWith(begin, at) ? lineOf(transcript.slice(at, end)) : null;
    if (line === null || line.isSidechain === true) continue;
    const { uuid, parentUuid } = line;
    if (parentUuid !== null && !known.has(parentUuid) && last?.length === parentUuid.length)
      links.push({ at: at + begin.length + 1, uuid: last });
    known.add(uuid);
    last = uuid;
  }
  return links;
}

function lineOf(text: string): z.output<typeof lineSchema> | null {
  try {
    return lineSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
