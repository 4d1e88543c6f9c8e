/**
 * Chats that come from another host, and ours for another one. An import is all or nothing: the transcripts are copied
 * into spaces that nobody knows yet, then one transaction of the ledger makes them sessions; what it does not take is
 * removed again. A crash in between leaves folders without an owner, and no chat changed.
 */

import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { adoptTranscript, openSpace, spaceOf, transcriptsIn } from "../claude/index.ts";
import { parseRegistry, type ReadEntry, type RegistryEntry, type TierMap } from "../contacts/registry.ts";
import { SwitchboardError } from "../errors.ts";
import type { ChatImport, Contact, ImportedChat, Ledger } from "../ledger/index.ts";
import type { ImportView } from "../views.ts";

const pageSize = 1000;

/** Everything that the ledger knows of the chats and another host could use, in order of chat id. */
export async function* registryOf(ledger: Ledger): AsyncGenerator<RegistryEntry, void, void> {
  let after = "";
  for (;;) {
    const chats = await ledger.portableChats(after, pageSize);
    yield* chats;
    const last = chats.at(-1);
    if (last === undefined || chats.length < pageSize) return;
    after = last.chatId;
  }
}

export interface ImportOptions {
  /** Tiers of the file by what they are here. */
  mapTier?: TierMap | undefined;
  /** A Claude config folder (`~/.claude`) with the conversations of the file's sessions. Default: none. */
  transcripts?: string | undefined;
}

export interface Imported {
  view: ImportView;
  /** Each chat's contact as it is now. */
  contacts: Array<[chatId: string, contact: Contact]>;
}

/** Errors: `invalid_registry`, `unknown_tier`, `invalid_request` (no such folder), and the ledger's. */
export async function importRegistry(
  text: string,
  { mapTier, transcripts }: ImportOptions,
  { ledger, spaces }: { ledger: Ledger; spaces: string },
): Promise<Imported> {
  const entries = parseRegistry(text, mapTier);
  const files = transcripts === undefined ? new Map<string, string>() : await indexOf(transcripts);
  const made: string[] = [];
  let taken = new Set<string>();
  try {
    const imports: ChatImport[] = [];
    for (const entry of entries) {
      const session = await sessionOf(entry, files, { ledger, spaces, made });
      imports.push({ ...entry, session });
    }
    const chats = await ledger.importChats(imports);
    const tookSession = new Set(chats.flatMap((chat) => (chat.tookSession ? [chat.chatId] : [])));
    const kept = imports.filter(({ chatId }) => tookSession.has(chatId));
    taken = new Set(kept.flatMap(({ session }) => (session?.kind === "proven" ? [session.id] : [])));
    const count = (did: ImportedChat["did"]) => chats.filter((chat) => chat.did === did).length;
    return {
      view: {
        new: count("new"),
        changed: count("changed"),
        unchanged: count("unchanged"),
        conversations: taken.size,
        unproven: kept.flatMap(({ chatId, session }) => (session?.kind === "unproven" ? [chatId] : [])),
        renamed: renamed(entries, chats),
      },
      contacts: chats.map(({ chatId, contact }) => [chatId, contact]),
    };
  } finally {
    for (const id of made) if (!taken.has(id)) await removeSpace(spaces, id);
  }
}

async function indexOf(folder: string): Promise<Map<string, string>> {
  try {
    return await transcriptsIn(folder);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchboardError("invalid_request", `transcripts: no Claude config folder: ${reason}`, {
      field: "transcripts",
      hint: "Name the folder that has `projects` in it, on the daemon's machine, or import without conversations.",
      cause: error,
    });
  }
}

/** With its transcript copied into a space of its own, if there is one and the chat has no conversation here yet. */
async function sessionOf(
  { chatId, sessionId }: ReadEntry,
  files: ReadonlyMap<string, string>,
  { ledger, spaces, made }: { ledger: Ledger; spaces: string; made: string[] },
): Promise<ChatImport["session"]> {
  if (sessionId === null) return null;
  const file = isUuid(sessionId) ? files.get(sessionId) : undefined;
  if (file === undefined) return { kind: "unproven", sessionId };
  const known = await ledger.chat(chatId);
  if (known !== null && known.session !== null) return { kind: "unproven", sessionId };
  const id = randomUUID();
  made.push(id);
  const adopted = await adoptTranscript(file, await openSpace(spaces, id));
  return adopted ? { kind: "proven", id, sdkSessionId: sessionId } : { kind: "unproven", sessionId };
}

function renamed(entries: readonly ReadEntry[], chats: readonly ImportedChat[]): ImportView["renamed"] {
  const names = new Map(entries.map(({ chatId, givenName }) => [chatId, givenName]));
  return chats.flatMap(({ chatId, did, sessionName: to }) => {
    const from = names.get(chatId) ?? to;
    return did === "new" && from !== to ? [{ chatId, from, to }] : [];
  });
}

async function removeSpace(spaces: string, id: string): Promise<void> {
  await rm(dirname(spaceOf(spaces, id).work), { recursive: true, force: true });
}

/** As Claude Code names its sessions; anything else names no transcript. */
function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
