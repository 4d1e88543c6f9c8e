import type { Message } from "../../src/ledger/index.ts";
import { acceptedEntry, type Entry, type Phase } from "../../src/sessions/entry.ts";

/** A message that was accepted and nothing more. */
export function message(fields: Partial<Message> = {}): Message {
  return {
    id: "2f1e2cbd-0b7c-4f0a-9d53-0d7f0a3d7f11",
    externalId: null,
    chatId: "+15551234567",
    seq: 1,
    text: "Hello",
    attachments: [],
    sender: null,
    channel: null,
    route: null,
    command: null,
    status: "queued",
    ran: null,
    tries: 0,
    error: null,
    reply: null,
    acceptedAt: 0,
    sentAt: null,
    endedAt: null,
    ...fields,
  };
}

/** Such a message on its way through a session. */
export function entry(phase: Phase, fields: Partial<Message> = {}): Entry {
  return { ...acceptedEntry(message(fields), null, 0), phase };
}
