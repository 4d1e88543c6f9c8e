/**
 * What a session's process stands on: its folders, and the transcript if there is one. New or resume is decided by what
 * is on disk. A new conversation gets the session's own id, so that a transcript which a crash left behind before
 * anybody had learned its id is found all the same.
 */

import {
  copyTranscript,
  lastTurn,
  lookAfter,
  openSpace,
  putTranscriptAside,
  readTurns,
  type Space,
  savedCost,
  spaceOf,
  type TranscriptTurn,
  takeLastTurnOut,
  takeMediaOut,
} from "../claude/index.ts";
import type { Session as SessionRecord } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { linkSpace } from "./link.ts";
import { isFileRefused } from "./poison.ts";
import type { Spare } from "./spares.ts";

export interface Ground {
  space: Space;
  sdkSessionId: string;
  /** Null: the conversation begins. */
  transcript: string | null;
  costSoFarUsd: number;
  /** What had to be done to the transcript. */
  did: "nothing" | "restored" | "cut" | "mended";
  /** There was a conversation, and nothing is left of it. */
  lost: boolean;
  /** In its last turn a file was refused, which was that turn's own, or stands in the conversation. */
  suspect: boolean;
}

export interface Folders {
  /** Holds all of these. */
  home: string;
  spaces: string;
  links: string;
  /** One folder a session, with the copy of its transcript. */
  transcripts: string;
  /** One file for each session that has a process. */
  running: string;
}

/**
 * Makes the folders that are missing, and sees to the transcript. `continued`: whether a turn is the one that is to be
 * taken up; null when none is.
 * No process of the session may run.
 */
export async function prepareGround(
  record: SessionRecord,
  name: string,
  folders: Folders,
  { continued, log }: { continued: ((turn: TranscriptTurn) => boolean) | null; log: Logger },
): Promise<Ground> {
  const space = await openSpace(folders.spaces, record.id);
  const sdkSessionId = sdkSessionIdOf(record);
  const [{ transcript, did }] = await Promise.all([
    lookAfter(space, sdkSessionId, copiesOf(record, folders)),
    linkSpace(folders.links, name, space.work, log),
  ]);
  const lost = transcript === null && record.sdkSessionId !== null;
  const empty = { space, sdkSessionId, transcript, costSoFarUsd: 0, did, lost, suspect: false };
  if (transcript === null) return empty;
  const [costSoFarUsd, last] = await Promise.all([savedCost(transcript), lastTurn(transcript)]);
  const suspect = last?.end.kind === "failed" && isFileRefused(last.end);
  const ground = { ...empty, costSoFarUsd, suspect };
  if (last === null || continued?.(last) === true || !cameToNothing(last)) return ground;
  if (continued !== null) {
    if (!(await takeLastTurnOut(space, sdkSessionId, copiesOf(record, folders), last))) return ground;
    // There may be more of them before the one that is to be taken up.
    return await prepareGround(record, name, folders, { continued, log });
  }
  if (last.before !== null) {
    await takeLastTurnOut(space, sdkSessionId, copiesOf(record, folders), last);
    return ground;
  }
  // Nothing to go back to, though something was said: the chain of lines is broken (an imported transcript, say).
  if ((await readTurns(transcript)).length > 1) return ground;
  await putTranscriptAside(space, sdkSessionId, copiesOf(record, folders));
  return { ...empty, transcript: null };
}

/** Of a session that a spare serves, whose space it is in already. */
export async function groundOf(
  { sessionId, space }: Spare,
  name: string,
  folders: Folders,
  log: Logger,
): Promise<Ground> {
  await linkSpace(folders.links, name, space.work, log);
  const fresh = { transcript: null, costSoFarUsd: 0, did: "nothing", lost: false, suspect: false } as const;
  return { space, sdkSessionId: sessionId, ...fresh };
}

/**
 * What the model's API refused would be sent to it again with every message to come; what was given up would be answered
 * beside the next one. A turn in which something was achieved stays: Claude has to know of it.
 */
function cameToNothing({ end, progress }: TranscriptTurn): boolean {
  return (end.kind === "failed" || end.kind === "open") && progress === 0;
}

/** The turns of the session's transcript, restored if need be; none when there is none. No process of the session may run. */
export async function turnsOf(record: SessionRecord, folders: Folders): Promise<TranscriptTurn[]> {
  const space = spaceOf(folders.spaces, record.id);
  const { transcript } = await lookAfter(space, sdkSessionIdOf(record), copiesOf(record, folders));
  return transcript === null ? [] : await readTurns(transcript);
}

/** Brings the copy of the session's transcript up to date. */
export async function copyOf(record: SessionRecord, folders: Folders): Promise<void> {
  const space = spaceOf(folders.spaces, record.id);
  await copyTranscript(space, sdkSessionIdOf(record), copiesOf(record, folders));
}

/** Puts aside what Claude Code refuses to resume, so that its copy, or at last a fresh conversation, takes its place. */
export async function putAside(record: SessionRecord, folders: Folders): Promise<void> {
  const space = spaceOf(folders.spaces, record.id);
  await putTranscriptAside(space, sdkSessionIdOf(record), copiesOf(record, folders));
}

/** Takes pictures and documents out of what was said. Whether there were any. No process of the session may run. */
export async function withoutMedia(record: SessionRecord, folders: Folders): Promise<boolean> {
  const space = spaceOf(folders.spaces, record.id);
  return await takeMediaOut(space, sdkSessionIdOf(record), copiesOf(record, folders));
}

export function sdkSessionIdOf({ id, sdkSessionId }: SessionRecord): string {
  return sdkSessionId ?? id;
}

function copiesOf({ id }: SessionRecord, { transcripts }: Folders): string {
  return `${transcripts}/${id}`;
}
