/** Chats from another host. Many in one call, and all or none of them: the call is one write, undone as a whole. */

import type { ChatImport, ImportedChat } from "../ledger.ts";
import { freeSessionName, patched, readContact, storeContact, unnamed } from "./contacts.ts";
import type { Database } from "./database.ts";
import { appendEvent } from "./events.ts";
import type { Writes } from "./protocol.ts";
import { selectCurrentSession } from "./rows.ts";
import { begin } from "./sessions.ts";

export function createImportWrites(db: Database): Pick<Writes, "importChats"> {
  return { importChats: (chats) => chats.map((chat) => importChat(db, Date.now(), chat)) };
}

function importChat(db: Database, at: number, chat: ChatImport): ImportedChat {
  const { chatId, extra } = chat;
  const known = readContact(db, chatId);
  const contact = patched(known ?? unnamed, chat.contact);
  if (known === null) insertChat(db, at, chat, contact);
  const contactChanged = known !== null && storeContact(db, at, chatId, known, contact, chat.sessionName);
  const extraChanged =
    extra !== null &&
    db.run("UPDATE chats SET extra = ? WHERE chat_id = ? AND extra IS NOT ?", extra, chatId, extra) > 0;
  const tookSession = takeSession(db, at, chat);
  const { sessionName } = db.one<{ sessionName: string }>(
    "SELECT session_name AS sessionName FROM chats WHERE chat_id = ?",
    chatId,
  );
  const changed = contactChanged || extraChanged || tookSession;
  return {
    chatId,
    did: known === null ? "new" : changed ? "changed" : "unchanged",
    contact,
    sessionName,
    tookSession,
  };
}

function insertChat(
  db: Database,
  at: number,
  { chatId, sessionName, createdAt, lastMessageAt, extra }: ChatImport,
  { name, tier, group }: ImportedChat["contact"],
): void {
  db.insert("chats", {
    chat_id: chatId,
    name,
    tier,
    is_group: Number(group),
    session_name: freeSessionName(db, sessionName),
    last_message_at: lastMessageAt,
    created_at: createdAt ?? at,
    active_at: lastMessageAt ?? createdAt ?? at,
    extra,
  });
  const text = [`name: ${name ?? "none"}`, `tier: ${tier}`, `group: ${group ? "yes" : "no"}`].join(", ");
  appendEvent(db, at, chatId, { type: "notice", code: "chat_imported", text });
}

/** A chat that has a session of its own keeps it. */
function takeSession(db: Database, at: number, { chatId, session }: ChatImport): boolean {
  if (session === null || db.get(selectCurrentSession, chatId) !== undefined) return false;
  const unproven = session.kind === "unproven" ? session.sessionId : null;
  const marked = db.run(
    "UPDATE chats SET unproven_session_id = ? WHERE chat_id = ? AND unproven_session_id IS NOT ?",
    unproven,
    chatId,
    unproven,
  );
  if (session.kind === "unproven") return marked > 0;
  begin(db, at, chatId, session.id, session.sdkSessionId);
  return true;
}
