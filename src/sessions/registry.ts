/**
 * Chats that come from another host, and ours for another one. An import is all or nothing: the transcripts are copied
 * into spaces that nobody knows yet, then one transaction of the ledger makes them sessions; what it does not take is
 * removed again, after a crash at the next start.
 */

import { setImmediate } from "node:timers/promises";
import { adoptTranscript, openSpace, type Space, transcriptsIn } from "../claude/index.ts";
import { parseRegistry, type ReadEntry, type RegistryEntry, type TierMap } from "../contacts/registry.ts";
import { SwitchboardError } from "../errors.ts";
import type { ChatImport, Contact, ImportedChat, Ledger } from "../ledger/index.ts";
import type { ImportView } from "../views.ts";
import { type ImportPlaces, ImportSpaces, isUuid } from "./import-spaces.ts";

const pageSize = 1000;

/** Chats that are looked at before others of this thread may go on. */
const bite = 500;

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

/** Errors: `invalid_registry`, `unknown_tier`, `invalid_request` (what is named cannot be read), and the ledger's. */
export async function importRegistry(
  text: string,
  { mapTier, transcripts }: ImportOptions,
  places: ImportPlaces,
): Promise<Imported> {
  const entries = await parseRegistry(text, mapTier);
  const files = transcripts === undefined ? new Map<string, string>() : await indexOf(transcripts);
  const made = await ImportSpaces.begin(places);
  let taken: string[] = [];
  try {
    const imports: ChatImport[] = [];
    for (const entry of entries) {
      if (imports.length % bite === 0) await setImmediate();
      imports.push({ ...entry, session: await sessionOf(entry, files, places, made) });
    }
    const chats = await places.ledger.importChats(imports);
    const pairs = chats.map((chat, at) => ({ chat, given: imports[at]?.session ?? null }));
    taken = pairs.flatMap(({ chat, given }) =>
      chat.session === "taken" && given?.kind === "proven" ? [given.id] : [],
    );
    return {
      view: {
        ...counts(chats),
        conversations: taken.length,
        unproven: pairs.flatMap(({ chat, given }) =>
          chat.session === "taken" && given?.kind === "unproven" ? [chat.chatId] : [],
        ),
        kept: chats.flatMap(({ chatId, session }) => (session === "kept" ? [chatId] : [])),
        renamed: renamed(entries, chats),
      },
      contacts: chats.map(({ chatId, contact }) => [chatId, contact]),
    };
  } finally {
    await made.close(taken);
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
  { ledger, spaces }: ImportPlaces,
  made: ImportSpaces,
): Promise<ChatImport["session"]> {
  if (sessionId === null) return null;
  const file = isUuid(sessionId) ? files.get(sessionId) : undefined;
  if (file === undefined) return { kind: "unproven", sessionId };
  const known = await ledger.chat(chatId);
  if (known !== null && known.session !== null) return { kind: "unproven", sessionId };
  const id = await made.add(chatId);
  const adopted = await adopt(file, await openSpace(spaces, id));
  return adopted ? { kind: "proven", id, sdkSessionId: sessionId } : { kind: "unproven", sessionId };
}

function counts(chats: readonly ImportedChat[]): Pick<ImportView, "new" | "changed" | "unchanged"> {
  const count = (did: ImportedChat["did"]) => chats.filter((chat) => chat.did === did).length;
  return { new: count("new"), changed: count("changed"), unchanged: count("unchanged") };
}

function renamed(entries: readonly ReadEntry[], chats: readonly ImportedChat[]): ImportView["renamed"] {
  const names = new Map(entries.map(({ chatId, givenName }) => [chatId, givenName]));
  return chats.flatMap(({ chatId, did, sessionName: to }) => {
    const from = names.get(chatId) ?? to;
    return did === "new" && from !== to ? [{ chatId, from, to }] : [];
  });
}

async function adopt(file: string, space: Space): Promise<boolean> {
  try {
    return await adoptTranscript(file, space);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchboardError("invalid_request", `transcripts: ${file} cannot be copied: ${reason}`, {
      field: "transcripts",
      hint: "Nothing was imported. Make it readable, or move it away to leave this conversation behind.",
      cause: error,
    });
  }
}
