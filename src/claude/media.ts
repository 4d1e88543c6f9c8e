/**
 * Pictures and documents in a transcript. What the model's API refuses among them it refuses with every request to come, for
 * the whole conversation is sent each time; so they are taken out, and a word stands in their place.
 *
 * In place, byte for byte as long as before: a copy from which the same is taken out stays the beginning of its file.
 */

import { copyFile, open, readFile } from "node:fs/promises";
import { z } from "zod";
import type { Space } from "./claude.ts";
import { findIn, findTranscript } from "./transcript.ts";

/** Shorter than any block that it replaces. */
const instead = JSON.stringify({ type: "text", text: "[A file that was refused stood here.]" });

interface Place {
  at: number;
  length: number;
}

/** From the session's transcript, which is kept aside as it was, and from its copy. Whether there were any. No process may run. */
export async function takeMediaOut(space: Space, sdkSessionId: string, copies: string): Promise<boolean> {
  const [file, copy] = await Promise.all([findTranscript(space, sdkSessionId), findIn(copies, sdkSessionId)]);
  // The copy first: the file is compared with its end.
  if (copy !== null) await replaceIn(copy, await placesIn(copy));
  if (file === null) return false;
  const places = await placesIn(file);
  if (places.length === 0) return false;
  await copyFile(file, `${file}.aside-${Date.now()}`);
  await replaceIn(file, places);
  return true;
}

async function placesIn(file: string): Promise<Place[]> {
  // One character a byte: the places are bytes'.
  return mediaIn(await readFile(file, "latin1"));
}

async function replaceIn(file: string, places: readonly Place[]): Promise<void> {
  if (places.length === 0) return;
  const handle = await open(file, "r+");
  try {
    for (const { at, length } of places) await handle.write(instead.padEnd(length), at, "latin1");
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

const lineSchema = z.union([
  z
    .object({ message: z.object({ content: z.array(z.unknown()) }) })
    .transform(({ message }) => message.content),
  // What joined a running turn.
  z
    .object({ attachment: z.object({ prompt: z.array(z.unknown()) }) })
    .transform(({ attachment }) => attachment.prompt),
]);
const mediaSchema = z.object({ type: z.enum(["image", "document"]), source: z.unknown() });
const holderSchema = z.object({ type: z.literal("tool_result"), content: z.array(z.unknown()) });

/** Where they stand: what people sent, and what tools gave. A line that is not as the CLI writes it has none. */
export function mediaIn(transcript: string): Place[] {
  const places: Place[] = [];
  for (let at = 0, end = 0; at < transcript.length; at = end + 1) {
    end = transcript.indexOf("\n", at);
    if (end === -1) end = transcript.length;
    const line = transcript.slice(at, end);
    if (!/"type":"(?:image|document)"/.test(line)) continue;
    let from = 0;
    for (const block of blocksIn(line)) {
      const written = JSON.stringify(block);
      const found = line.indexOf(written, from);
      if (found === -1 || written.length < instead.length) continue;
      places.push({ at: at + found, length: written.length });
      from = found + written.length;
    }
  }
  return places;
}

function blocksIn(line: string): unknown[] {
  try {
    return lineSchema.parse(JSON.parse(line)).flatMap(mediaOf);
  } catch {
    return [];
  }
}

function mediaOf(block: unknown): unknown[] {
  if (mediaSchema.safeParse(block).success) return [block];
  return holderSchema.safeParse(block).data?.content.flatMap(mediaOf) ?? [];
}
