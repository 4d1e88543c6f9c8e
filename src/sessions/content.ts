/**
 * What the model is given of a message: the contact's words as they came, a group's speaker before them, and the
 * contact facts as a block of their own when Claude does not know them yet. A line of the contact's that begins as
 * Switchboard's own do is quoted, so that nobody can say in its name who they are.
 */

import type { Block } from "../claude/index.ts";
import type { Contact, Message } from "../ledger/index.ts";

/** Facts about the contact, as Claude is told them. JSON, so that a name cannot pass for anything else. */
export function factsOf({ name, tier, group }: Contact): string {
  return JSON.stringify({ name, tier, kind: group ? "group" : "person" });
}

/**
 * Blocks, without what stands between them. `facts`: null when Claude knows them already; `note`: what it has to know of an
 * earlier try; `files`: the content of its attachments.
 */
export function contentOf(
  message: Message,
  group: boolean,
  { facts, note, files }: { facts: string | null; note: string | null; files: readonly Uint8Array[] },
): Block[] {
  // A picture alone says enough; a block without a word the API refuses.
  const isBlank = message.attachments.length > 0 && message.text.trim() === "";
  const spoken = group && message.sender !== null ? `${message.sender.name}: ${message.text}` : message.text;
  return [
    ...(facts === null ? [] : [`Contact facts from Switchboard: ${facts}`]),
    ...(note === null ? [] : [note]),
    ...message.attachments.flatMap(({ name, type, bytes }, at) => {
      const data = files[at];
      const told = `A note from Switchboard: attached is ${JSON.stringify(name)}, ${type}, ${bytes} bytes.`;
      return data === undefined ? [] : [told, { name, type, data }];
    }),
    ...(isBlank ? [] : [spoken.replace(ours, "> $&")]),
  ];
}

/** The beginnings of what Switchboard itself says to Claude, however they are spaced or written. */
const ours = /^[^\p{L}\n]*(contact\s+facts|(a\s+)?note)\s+from\s+switchboard/gimu;
