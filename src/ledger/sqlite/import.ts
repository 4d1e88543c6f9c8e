/** Chats from another host. Many in one call, and all or none of them: the call is one write, undone as a whole. */

import type { ChatImport, ImportedChat } from "../ledger.ts";
import { changesOf, insertChat, patched, readContact, storeContact, unnamed } from "./contacts.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import type { Writes } from "./protocol.ts";
import { type SessionRow, selectCurrentSession } from "./rows.ts";
import { begin } from "./sessions.ts";

export function createImportWrites(db: Database): Pick<Writes, "importChats"> {
  return { importChats: (chats) => chats.map((chat) => importChat(db, Date.now(), chat)) };
}

function importChat(db: Database, at: number, chat: ChatImport): ImportedChat {
  const { chatId, sessionName: wanted, createdAt, lastMessageAt, extra } = chat;
  const known = readContact(db, chatId);
  const contact = patched(known ?? unnamed, chat.contact);
  if (known === null) {
    insertChat(db, { chatId, contact, sessionName: wanted, createdAt: createdAt ?? at, lastMessageAt });
    const text = changesOf(known, contact).join(", ");
    appendEvent(db, at, chatId, { type: "notice", code: "chat_imported", text });
  }
  const contactChanged = known !== null && storeContact(db, at, chatId, known, contact, wanted);
  const extraChanged = extra !== null && setColumn(db, chatId, "extra", extra);
  const session = takeSession(db, at, chat);
  const { sessionName } = db.one<{ sessionName: string }>(
    "SELECT session_name AS sessionName FROM chats WHERE chat_id = ?",
    chatId,
  );
  const changed = contactChanged || extraChanged || session.changed;
  const did = known === null ? "new" : changed ? "changed" : "unchanged";
  return { chatId, did, contact, sessionName, session: session.became };
}

/** A chat that has a session of its own keeps it. */
function takeSession(
  db: Database,
  at: number,
  { chatId, session }: ChatImport,
): { became: ImportedChat["session"]; changed: boolean } {
  if (session === null) return { became: null, changed: false };
  const current = db.get<SessionRow>(selectCurrentSession, chatId);
  if (current !== undefined) {
    const given = session.kind === "proven" ? session.sdkSessionId : session.sessionId;
    return { became: current.sdk_session_id === given ? "known" : "kept", changed: false };
  }
  if (session.kind === "unproven") {
    const changed = setColumn(db, chatId, "unproven_session_id", session.sessionId);
    return { became: "taken", changed };
  }
  setColumn(db, chatId, "unproven_session_id", null);
  begin(db, at, chatId, session.id, session.sdkSessionId);
  return { became: "taken", changed: true };
}

/** Whether it was another one before. */
function setColumn(
  db: Database,
  chatId: string,
  column: "extra" | "unproven_session_id",
  value: string | null,
): boolean {
  const sql = `UPDATE chats SET ${column} = ? WHERE chat_id = ? AND ${column} IS NOT ?`;
  return db.run(sql, value, chatId, value) > 0;
}
