/**
 * The copy of a session's transcript, outside of its space, and what it is good for: the CLI never syncs its transcripts
 * to disk, sweeps may delete them, and people delete folders. The copy follows the file by offset, in whole lines, after
 * each turn, with the files that lie beside it; it is synced. Before a session is resumed, a transcript that is gone, was
 * cut or overwritten is restored from it.
 */

import {
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
} from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { mendChain } from "./chain.ts";
import type { Space } from "./claude.ts";
import { findIn, findTranscript, holdsConversation } from "./transcript.ts";
import { entriesIn, type TranscriptTurn } from "./turns.ts";

/** What a session's transcript is worth, now that it has been looked at. */
export interface Looked {
  /** Null: there is no conversation to resume. */
  transcript: string | null;
  /** What had to be done for that. */
  did: "nothing" | "restored" | "cut" | "mended";
}

/** Brings the copy up to date; the file may be written to meanwhile. Does nothing when there is no transcript. */
export async function copyTranscript(space: Space, sdkSessionId: string, copies: string): Promise<void> {
  const file = await findTranscript(space, sdkSessionId);
  if (file === null) return;
  const copy = join(copies, relative(projectsOf(space), file));
  await mkdir(dirname(copy), { recursive: true, mode: 0o700 });
  await appendLines(file, copy);
  await copyBeside(beside(file), beside(copy));
}

/**
 * Looks at the transcript before it is resumed (no process may be writing to it): mends its chain, restores it from its
 * copy when the copy has more, cuts off what a crash left of a line, and puts what holds no conversation aside.
 */
export async function lookAfter(space: Space, sdkSessionId: string, copies: string): Promise<Looked> {
  const [file, copy] = await Promise.all([findTranscript(space, sdkSessionId), findIn(copies, sdkSessionId)]);
  // Both, before they are compared.
  const [mended] = await Promise.all([file !== null && mendChain(file), copy !== null && mendChain(copy)]);
  if (copy !== null && (await isBetter(copy, file))) {
    if (file !== null) await putAside(file);
    const target = file ?? join(projectsOf(space), relative(copies, copy));
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await copyBeside(beside(copy), beside(target));
    await copyFile(copy, `${target}.restoring`);
    await rename(`${target}.restoring`, target);
    return { transcript: target, did: "restored" };
  }
  if (file === null) return { transcript: null, did: "nothing" };
  const whole = (await holdsConversation(file)) && (await cutTail(file));
  // The line that was cut off may have been all.
  if (!whole && !(await holdsConversation(file))) {
    await putAside(file);
    return { transcript: null, did: "nothing" };
  }
  if (!whole) return { transcript: file, did: "cut" };
  return { transcript: file, did: mended ? "mended" : "nothing" };
}

/**
 * Takes the last turn out of a transcript and of its copy; the whole is kept aside. Not by going back to the answer before
 * it, which leaves two branches in one file: after a kill the CLI may take the wrong one up (measured). False: it is not
 * found, and nothing was done.
 */
export async function takeLastTurnOut(
  space: Space,
  sdkSessionId: string,
  copies: string,
  { members }: TranscriptTurn,
): Promise<boolean> {
  const file = await findTranscript(space, sdkSessionId);
  if (file === null) return false;
  const at = await beginOf(file, members);
  if (at === null) return false;
  const copy = await findIn(copies, sdkSessionId);
  // The copy first: a copy that has more than the file would be restored.
  if (copy !== null && ((await sizeOf(copy)) ?? 0) > at) await truncate(copy, at);
  await copyFile(file, `${file}.aside-${Date.now()}`);
  await truncate(file, at);
  return true;
}

/** Where the line of the message stands that began the turn; null when it is not found. */
async function beginOf(file: string, members: readonly string[]): Promise<number | null> {
  const bytes = await readFile(file);
  let found: number | null = null;
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const [entry] = entriesIn(bytes.toString("utf8", at, end === -1 ? bytes.length : end));
    if (entry?.type === "user" && entry.uuid !== undefined && members.includes(entry.uuid)) found = at;
    if (end === -1) break;
    at = end + 1;
  }
  return found;
}

/** Puts a transcript aside that the CLI refuses to resume, and its copy when that says the same. Nothing is deleted. */
export async function putTranscriptAside(space: Space, sdkSessionId: string, copies: string): Promise<void> {
  const file = await findTranscript(space, sdkSessionId);
  const copy = await findIn(copies, sdkSessionId);
  if (copy !== null && (file === null || (await continues(file, copy)))) await putAside(copy);
  if (file !== null) await putAside(file);
}

/** One that holds no conversation is worth nothing: a crash may have left it empty, or something have overwritten it. */
async function isBetter(copy: string, file: string | null): Promise<boolean> {
  if (file !== null && (await continues(file, copy))) return false;
  return await holdsConversation(copy);
}

function projectsOf(space: Space): string {
  return join(space.claude, "projects");
}

/** The folder of a transcript's name: subagents' transcripts and long tool results. */
function beside(file: string): string {
  return file.slice(0, -".jsonl".length);
}

/** Under a name that the CLI takes for no transcript. */
async function putAside(file: string): Promise<void> {
  await rename(file, `${file}.aside-${Date.now()}`);
}

const biteBytes = 1 << 20;

/** Appends what `file` has beyond `copy`, up to its last whole line. */
async function appendLines(file: string, copy: string): Promise<void> {
  const from = await open(file);
  try {
    const to = await open(copy, "a", 0o600);
    try {
      let { size: at } = await to.stat();
      const { size } = await from.stat();
      const end = at < size ? await lastLineEnd(from, at, size) : at;
      if (end <= at) return;
      const buffer = Buffer.alloc(Math.min(biteBytes, end - at));
      while (at < end) {
        const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, end - at), at);
        if (bytesRead === 0) return;
        await to.writeFile(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
      await to.datasync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

type Handle = Awaited<ReturnType<typeof open>>;

/** Behind the last line feed between `from` and `to`; `from` when there is none. */
async function lastLineEnd(handle: Handle, from: number, to: number): Promise<number> {
  const buffer = Buffer.alloc(Math.min(biteBytes, to - from));
  for (let end = to; end > from; ) {
    const begin = Math.max(from, end - buffer.length);
    await handle.read(buffer, 0, end - begin, begin);
    const at = buffer.subarray(0, end - begin).lastIndexOf(0x0a);
    if (at !== -1) return begin + at + 1;
    end = begin;
  }
  return from;
}

/** Bytes at the end of a copy by which it is recognised in the file. */
const mark = 4096;

/** Whether `file` is `copy` with something behind it, or the same. */
async function continues(file: string, copy: string): Promise<boolean> {
  await using a = await open(file);
  await using b = await open(copy);
  const [{ size: whole }, { size }] = await Promise.all([a.stat(), b.stat()]);
  if (whole < size) return false;
  const length = Math.min(mark, size);
  const [theirs, ours] = [Buffer.alloc(length), Buffer.alloc(length)];
  await Promise.all([a.read(theirs, 0, length, size - length), b.read(ours, 0, length, size - length)]);
  return theirs.equals(ours);
}

/** Cuts off a last line that was not written to its end. Whether there was none. */
async function cutTail(file: string): Promise<boolean> {
  const handle = await open(file);
  let end: number;
  let size: number;
  try {
    ({ size } = await handle.stat());
    end = await lastLineEnd(handle, 0, size);
  } finally {
    await handle.close();
  }
  if (end < size) await truncate(file, end);
  return end === size;
}

/** Copies what is new or has grown of a folder. Links are left out: they could lead anywhere. */
export async function copyBeside(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(() => []);
  if (entries.length > 0) await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyBeside(source, target);
    else if (entry.isFile() && (await sizeOf(source)) !== (await sizeOf(target))) {
      const fresh = join(dirname(target), `.${basename(target)}.new`);
      await rm(fresh, { force: true });
      await copyFile(source, fresh);
      // A copy keeps the mode, and the session must be able to write on.
      await chmod(fresh, 0o600);
      await rename(fresh, target);
    }
  }
}

async function sizeOf(file: string): Promise<number | null> {
  return (await stat(file).catch(() => null))?.size ?? null;
}
