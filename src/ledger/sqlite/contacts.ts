/** Chats and what comes to their door: contacts, session names, accepted messages. None of it needs a lease. */

import type {
  AttachmentFile,
  Claim,
  Contact,
  ContactPatch,
  Inbound,
  Message,
  PortableChat,
} from "../ledger.ts";
import type { Database } from "./database.ts";
import { appendEvent, appendMessageEvent } from "./events.ts";
import { beginTry } from "./messages.ts";
import { isHeld } from "./ownership.ts";
import { forgetPending, notePending } from "./pending.ts";
import { isRunning } from "./processes.ts";
import type { Writes } from "./protocol.ts";
import { joinReply, readChat } from "./reads.ts";
import { type ContactRow, contactOf, type MessageRow, messageOf, selectMessage } from "./rows.ts";

export const unnamed: Contact = { name: null, tier: "unknown", group: false, queueMode: null };

export function createContactWrites(db: Database): Pick<Writes, "putContact" | "accept"> {
  return {
    putContact(chatId, patch, sessionNameBase) {
      const known = readContact(db, chatId);
      storeContact(db, Date.now(), chatId, known, patched(known ?? unnamed, patch), sessionNameBase);
      const chat = readChat(db, chatId);
      if (chat === null) throw new Error(`chat ${chatId} is gone`);
      return chat;
    },

    accept(inbound, admit, { claim = null, crowded = false } = {}) {
      const at = Date.now();
      const { chatId } = inbound;
      // One statement for the ordinary case: a message that nothing speaks against, of a chat that is known.
      const turn = crowded ? undefined : nextTurn(db, at, inbound, admit);
      let known = turn === undefined ? null : contactOf(turn);
      if (turn === undefined) {
        const earlier = findExternal(db, inbound);
        if (earlier !== null)
          return { kind: isSame(db, earlier, inbound) ? "duplicate" : "conflict", message: earlier };
        known = readContact(db, chatId);
      }
      const contact = patched(known ?? unnamed, inbound.contact);
      if (turn === undefined) {
        if (!admit.includes(contact.tier)) {
          if (known === null) notePending(db, at, inbound);
          return { kind: "refused", tier: contact.tier };
        }
        if (crowded) return { kind: "crowded" };
      }
      storeContact(db, at, chatId, known, contact, inbound.sessionNameBase);
      const seq = turn?.seq ?? nextSeq(db, at, chatId);
      const held = claim !== null && holds(db, chatId, claim) ? claim : null;
      const message = storeMessage(db, at, seq, inbound, held);
      return { kind: "accepted", message, contact, claimed: held !== null };
    },
  };
}

/** The next message's number, and the contact as it stands; undefined when the chat is new, or something may speak against it. */
function nextTurn(
  db: Database,
  at: number,
  { chatId, externalId, contact }: Inbound,
  admit: readonly string[],
): (ContactRow & { seq: number }) | undefined {
  if (contact.tier !== undefined && !admit.includes(contact.tier)) return undefined;
  const tiers = contact.tier === undefined ? admit : [];
  const admitted = tiers.length === 0 ? "" : `AND tier IN (${tiers.map(() => "?").join()})`;
  return db.get(
    `UPDATE chats SET last_seq = last_seq + 1, last_message_at = ?, active_at = ?
     WHERE chat_id = ? AND NOT EXISTS (SELECT 1 FROM messages WHERE chat_id = ? AND external_id = ?) ${admitted}
     RETURNING last_seq AS seq, name, tier, is_group, queue_mode`,
    at,
    at,
    chatId,
    chatId,
    externalId,
    ...tiers,
  );
}

function nextSeq(db: Database, at: number, chatId: string): number {
  const { seq } = db.one<{ seq: number }>(
    `UPDATE chats SET last_seq = last_seq + 1, last_message_at = ?, active_at = ? WHERE chat_id = ?
     RETURNING last_seq AS seq`,
    at,
    at,
    chatId,
  );
  return seq;
}

function findExternal(db: Database, { chatId, externalId }: Inbound): Message | null {
  if (externalId === null) return null;
  const row = db.get<MessageRow>(
    `${selectMessage} WHERE chat_id = ? AND external_id = ?`,
    chatId,
    externalId,
  );
  return row === undefined ? null : joinReply(db, row);
}

export function readContact(db: Database, chatId: string): Contact | null {
  const row = db.get<ContactRow>(
    "SELECT name, tier, is_group, queue_mode FROM chats WHERE chat_id = ?",
    chatId,
  );
  return row === undefined ? null : contactOf(row);
}

export function patched(contact: Contact, { name, tier, group, queueMode }: ContactPatch): Contact {
  return {
    name: name === undefined ? contact.name : name,
    tier: tier ?? contact.tier,
    group: group ?? contact.group,
    queueMode: queueMode === undefined ? contact.queueMode : queueMode,
  };
}

/** What differs, in words for a notice; of a chat that was not known everything does. */
export function changesOf(known: Contact | null, { name, tier, group, queueMode }: Contact): string[] {
  return [
    ...(known?.name === name ? [] : [`name: ${name ?? "none"}`]),
    ...(known?.tier === tier ? [] : [`tier: ${tier}`]),
    ...(known?.group === group ? [] : [`group: ${group ? "yes" : "no"}`]),
    ...(known?.queueMode === queueMode ? [] : [`queue mode: ${queueMode ?? "as the tier says"}`]),
  ];
}

/** Begins the chat or changes its contact, with the notice of what changed; nothing, and false, when nothing did. */
export function storeContact(
  db: Database,
  at: number,
  chatId: string,
  known: Contact | null,
  contact: Contact,
  sessionNameBase: string,
): boolean {
  const { name, tier, group, queueMode } = contact;
  const changed = changesOf(known, contact);
  if (changed.length === 0) return false;
  if (known === null) {
    insertChat(db, { chatId, contact, sessionName: sessionNameBase, createdAt: at });
  } else {
    db.run(
      "UPDATE chats SET name = ?, tier = ?, is_group = ?, queue_mode = ? WHERE chat_id = ?",
      name,
      tier,
      Number(group),
      queueMode,
      chatId,
    );
  }
  appendEvent(db, at, chatId, { type: "notice", code: "contact_changed", text: changed.join(", ") });
  return true;
}

/** Under the name that is wanted, or the first free one like it. */
export function insertChat(
  db: Database,
  {
    chatId,
    contact: { name, tier, group, queueMode },
    sessionName,
    createdAt,
    lastMessageAt = null,
  }: Pick<PortableChat, "chatId" | "contact" | "sessionName" | "createdAt"> & {
    lastMessageAt?: number | null;
  },
): void {
  forgetPending(db, chatId);
  db.insert("chats", {
    chat_id: chatId,
    name,
    tier,
    is_group: Number(group),
    queue_mode: queueMode,
    session_name: freeSessionName(db, sessionName),
    last_message_at: lastMessageAt,
    created_at: createdAt,
    active_at: lastMessageAt ?? createdAt,
  });
  db.run("UPDATE meta SET chats = chats + 1 WHERE id = 1");
}

/**
 * `base`, or the first free one of `base-2`, `base-3`… The counter goes past names that were given for another base
 * (a contact called "John 2") once, so that the millionth of one name costs what the second did.
 */
function freeSessionName(db: Database, base: string): string {
  let name = base;
  while (db.get("SELECT 1 FROM chats WHERE session_name = ?", name) !== undefined) {
    const { last } = db.one<{ last: number }>(
      `INSERT INTO session_names (base, last) VALUES (?, 2)
       ON CONFLICT (base) DO UPDATE SET last = last + 1 RETURNING last`,
      base,
    );
    name = `${base}-${last}`;
  }
  return name;
}

/** Whether it says the same, whatever its files are called this time. */
function isSame(db: Database, { id, text: said }: Message, { text, attachments = [] }: Inbound): boolean {
  const { attachments: kept } = db.one<Pick<MessageRow, "attachments">>(
    "SELECT attachments FROM messages WHERE id = ?",
    id,
  );
  const digests = (files: ReadonlyArray<Pick<AttachmentFile, "sha256">>) =>
    files.map(({ sha256 }) => sha256).join();
  return said === text && digests(kept === null ? [] : JSON.parse(kept)) === digests(attachments);
}

function holds(db: Database, chatId: string, { epoch, generation }: Claim): boolean {
  return isHeld(db, { chatId, epoch }) && isRunning(db, chatId, generation);
}

function storeMessage(db: Database, at: number, seq: number, inbound: Inbound, claim: Claim | null): Message {
  const { id, chatId, externalId, text, sender, channel, route, command, attachments = [] } = inbound;
  const row: MessageRow = {
    id,
    chat_id: chatId,
    seq,
    external_id: externalId,
    text,
    sender: sender === null ? null : JSON.stringify(sender),
    channel,
    route: JSON.stringify(route),
    command,
    status: claim === null ? "queued" : "sent",
    ran: null,
    tries: claim === null ? 0 : 1,
    error_code: null,
    error_message: null,
    reply_id: null,
    attachments:
      attachments.length === 0 ? null : JSON.stringify(attachments.map(({ data: _, ...told }) => told)),
    accepted_at: at,
    sent_at: claim === null ? null : at,
    ended_at: null,
  };
  db.insert("messages", row);
  for (const [place, { data }] of attachments.entries())
    db.insert("attachment_data", { message_id: id, place, data });
  if (claim !== null) {
    const { epoch, generation } = claim;
    beginTry(db, {
      message_id: id,
      n: 1,
      sdk_uuid: id,
      generation,
      epoch,
      kind: "send",
      progress: 0,
      charged_at: at,
    });
  }
  appendMessageEvent(db, at, chatId, id, row);
  return messageOf(row, undefined);
}
