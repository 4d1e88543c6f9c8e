/**
 * Whom it is laid to when the model's API refuses a file. All of a conversation is sent with each message, so a file that
 * stands in it and is refused would fail every message to come.
 */

import type { ClaudeEvent } from "../claude/index.ts";
import type { Entry } from "./entry.ts";

interface Trouble {
  code: string;
  message: string;
}

/** Whether it is about a picture or document, or about all of them together. */
export function isFileRefused(trouble: Trouble): boolean {
  return (
    isTooLarge(trouble) ||
    (trouble.code === "invalid_request" && /image|picture|document|pdf|media|file/i.test(trouble.message))
  );
}

/**
 * Whether the conversation has to go on without its files, and the members be sent again. `suspect`: a file was refused in
 * the turn before as well. Once the members' own files are blamed alone; always, and who sends nothing but pictures would
 * never be answered again.
 */
export function isPoisoned(
  failed: Extract<ClaudeEvent, { type: "failed" }>,
  members: ReadonlyArray<Pick<Entry, "again" | "message">>,
  suspect: boolean,
): boolean {
  if (failed.interrupted || !isFileRefused(failed)) return false;
  // Once: what is refused although there is none any more is refused for something else.
  if (members.some(({ again }) => again)) return false;
  const bringNone = members.every(({ message }) => message.attachments.length === 0);
  return bringNone || suspect || isTooLarge(failed);
}

/** More than the API takes at once, which only files that have gathered bring about: a message's own are bounded. */
function isTooLarge({ code, message }: Trouble): boolean {
  return code === "request_too_large" || /^API Error: 413\b/.test(message);
}
