/**
 * What a session's process stands on: its folders, and the transcript if there is one. New or resume is decided by what
 * is on disk. A new conversation gets the session's own id, so that a transcript which a crash left behind before
 * anybody had learned its id is found all the same.
 */

import { findTranscript, openSpace, type Space, savedCost, spaceOf, takenUuids } from "../claude/index.ts";
import type { Session as SessionRecord } from "../ledger/index.ts";
import type { Logger } from "../log.ts";
import { linkSpace } from "./link.ts";

export interface Ground {
  space: Space;
  sdkSessionId: string;
  /** Null: the conversation begins. */
  transcript: string | null;
  costSoFarUsd: number;
}

export interface Folders {
  spaces: string;
  links: string;
}

/** Makes the folders that are missing. */
export async function prepareGround(
  record: SessionRecord,
  name: string,
  folders: Folders,
  log: Logger,
): Promise<Ground> {
  const space = await openSpace(folders.spaces, record.id);
  await linkSpace(folders.links, name, space.work, log);
  const sdkSessionId = sdkSessionIdOf(record);
  const transcript = await findTranscript(space, sdkSessionId);
  const costSoFarUsd = transcript === null ? 0 : await savedCost(transcript);
  return { space, sdkSessionId, transcript, costSoFarUsd };
}

/** The uuids of all messages that the session's transcript shows as taken in; empty when there is none. */
export async function takenIn(record: SessionRecord, folders: Folders): Promise<Set<string>> {
  const transcript = await findTranscript(spaceOf(folders.spaces, record.id), sdkSessionIdOf(record));
  return transcript === null ? new Set() : await takenUuids(transcript);
}

function sdkSessionIdOf({ id, sdkSessionId }: SessionRecord): string {
  return sdkSessionId ?? id;
}
