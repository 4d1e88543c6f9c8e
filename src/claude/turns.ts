/**
 * The turns of a transcript, as its lines tell them: who was in each, what was said, and how it ended. Pure.
 *
 * Measured with the CLI 2.1.330:
 * - a message that began a turn is a `user` line with its uuid; earlier members of a merged turn stand only in that
 *   line's `mergedSendUuids`, one that joined a running turn only as `attachment.source_uuid` of a `queued_command`;
 * - each block of the model is a line of its own, with the `stop_reason` of the whole message;
 * - what the CLI itself says to the model (to go on after a cut, after a crash) is a `user` line with `isMeta`;
 * - an interrupt is a `user` line too, but unlike a message's it has no `promptSource`: contacts can type its words;
 * - an error of the API ends the turn with an `assistant` line `isApiErrorMessage`;
 * - a turn that was left open is closed by the next one with a made-up line of the model `<synthetic>`;
 * - a text that was given without asking the model (`shouldQuery: false`) is a `user` line with `queueTranscriptOnly`;
 * - a compaction leaves a summary that follows nothing, and notes of the command that asked for it.
 */

import { z } from "zod";
import { ReplyText } from "./reply-text.ts";

export interface TranscriptTurn {
  /** The uuids under which messages stand in it. */
  members: string[];
  /** Its top-level text so far, as a reply. */
  text: string;
  /** What it has achieved: lines of the model and of tools. */
  progress: number;
  /** `open`: the model was not done. */
  end: { kind: "open" | "answered" | "interrupted" } | { kind: "failed"; code: string; message: string };
  /**
   * The uuid of the answer (after a compaction: of the summary) that it followed; null when there is none, or when it
   * stands before what was read.
   */
  before: string | null;
}

const block = z.object({
  type: z.string(),
  text: z.string().optional(),
});

/** A field of another form than ours does not hide the others: a message that is overlooked would be sent again. */
const entrySchema = z.object({
  type: z.string(),
  uuid: z.string().optional().catch(undefined),
  parentUuid: z.string().nullish().catch(undefined),
  isMeta: z.boolean().optional().catch(undefined),
  isSidechain: z.boolean().optional().catch(undefined),
  isCompactSummary: z.boolean().optional().catch(undefined),
  isApiErrorMessage: z.boolean().optional().catch(undefined),
  error: z.string().optional().catch(undefined),
  promptSource: z.string().optional().catch(undefined),
  queueTranscriptOnly: z.boolean().optional().catch(undefined),
  mergedSendUuids: z.array(z.string()).optional().catch(undefined),
  message: z
    .object({
      model: z.string().optional().catch(undefined),
      stop_reason: z.string().nullish().catch(undefined),
      content: z.union([z.string(), z.array(block)]),
    })
    .optional()
    .catch(undefined),
  attachment: z.object({ type: z.string(), source_uuid: z.string().optional() }).optional().catch(undefined),
  totalCostUSD: z.number().optional().catch(undefined),
});

export type Entry = z.output<typeof entrySchema>;

/** The lines that can be read; a kill may have cut the last one, and the CLI skips what is none, as we do. */
export function entriesIn(text: string): Entry[] {
  return text.split("\n").flatMap((line) => {
    try {
      const parsed = entrySchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

/** Oldest first. What stands before the first message is none; one that joined a turn whose begin is lost begins it here. */
export function turnsIn(entries: readonly Entry[]): TranscriptTurn[] {
  const reader = new Reader();
  for (const entry of entries) reader.read(entry);
  return reader.turns;
}

class Reader {
  readonly turns: TranscriptTurn[] = [];
  #reply = new ReplyText();
  /** Of each line: what it follows, and whether a conversation can go back to it. */
  readonly #lines = new Map<string, { parent: string | null; goesBack: boolean }>();

  read(entry: Entry): void {
    if (entry.isSidechain === true) return;
    if (entry.uuid !== undefined) {
      this.#lines.set(entry.uuid, { parent: entry.parentUuid ?? null, goesBack: canGoBackTo(entry) });
    }
    if (entry.type === "attachment") this.#readAttachment(entry);
    if (entry.type === "user") this.#readUser(entry);
    if (entry.type === "assistant") this.#readAssistant(entry);
  }

  #readUser(entry: Entry): void {
    const turn = this.turns.at(-1);
    const blocks = blocksOf(entry);
    if (blocks.some(({ type }) => type === "tool_result")) {
      if (turn === undefined) return;
      turn.progress += 1;
      turn.end = { kind: "open" };
      return;
    }
    const text = blocks.map(({ text = "" }) => text).join("");
    if (isNoteOfCommand(entry, text) || entry.queueTranscriptOnly === true) return;
    if (entry.isMeta === true) {
      if (turn === undefined) return;
      turn.end = { kind: "open" };
      if (text.includes("Resume directly")) this.#reply.cut();
      return;
    }
    if (entry.isCompactSummary === true) {
      // The CLI goes back to nothing that stands before a summary, also when it was made for the turn's own sake.
      if (turn !== undefined) turn.before = entry.uuid ?? null;
      return;
    }
    if (entry.promptSource === undefined && text.startsWith("[Request interrupted by user")) {
      if (turn !== undefined) turn.end = { kind: "interrupted" };
      return;
    }
    const { uuid, mergedSendUuids = [] } = entry;
    this.#begin(entry, uuid === undefined ? mergedSendUuids : [...mergedSendUuids, uuid]);
  }

  #begin({ parentUuid }: Entry, members: string[]): void {
    this.#reply = new ReplyText();
    const before = this.#answerBefore(parentUuid ?? null);
    this.turns.push({ members, text: "", progress: 0, end: { kind: "open" }, before });
  }

  #readAttachment(entry: Entry): void {
    const { attachment } = entry;
    if (attachment?.type !== "queued_command" || attachment.source_uuid === undefined) return;
    const turn = this.turns.at(-1);
    if (turn === undefined) {
      this.#begin(entry, [attachment.source_uuid]);
      return;
    }
    turn.members.push(attachment.source_uuid);
    turn.end = { kind: "open" };
  }

  #readAssistant(entry: Entry): void {
    const turn = this.turns.at(-1);
    if (turn === undefined) return;
    const blocks = blocksOf(entry);
    if (entry.isApiErrorMessage === true) {
      const message = blocks.map(({ text = "" }) => text).join("");
      turn.end = lostItsWay(entry.error, message)
        ? { kind: "open" }
        : { kind: "failed", code: codeOf(entry.error ?? "model_error", message), message };
      return;
    }
    if (isMadeUp(entry)) return;
    turn.progress += 1;
    for (const { type, text = "" } of blocks) if (type === "text") this.#reply.block(text);
    turn.text = this.#reply.text;
    // Without a word of it, an answer is none yet: its thoughts stand on lines of their own before it.
    turn.end = { kind: isLast(entry) && turn.text !== "" ? "answered" : "open" };
  }

  #answerBefore(uuid: string | null): string | null {
    for (let at = uuid; at !== null; ) {
      const line = this.#lines.get(at);
      if (line === undefined) return null;
      if (line.goesBack) return at;
      at = line.parent;
    }
    return null;
  }
}

function canGoBackTo(entry: Entry): boolean {
  if (entry.isCompactSummary === true) return true;
  return entry.type === "assistant" && !isMadeUp(entry) && isLast(entry);
}

/** Of a command that we gave to the CLI, as for a compaction. What contacts type has a `promptSource`. */
function isNoteOfCommand({ promptSource }: Entry, text: string): boolean {
  return promptSource === undefined && /^<(?:command-name|local-command-[a-z]+)>/.test(text);
}

/** The CLI's code of an error of the API; a bad request, which it calls `unknown`, bears its own name. */
export function codeOf(code: string, message: string): string {
  return code === "unknown" && message.startsWith("API Error: 400") ? "invalid_request" : code;
}

/**
 * The process could not reach our gateway, which answers as long as this daemon lives: the daemon died first, and the
 * process had a moment to find out (measured). An answer of the API bears its status: "API Error: 529 …".
 */
function lostItsWay(code: string | undefined, message: string): boolean {
  return code === "server_error" && !/^API Error: \d{3}\b/.test(message);
}

function isMadeUp({ message, isApiErrorMessage }: Entry): boolean {
  return isApiErrorMessage === true || message?.model === "<synthetic>";
}

/** Whether the model was done with it. Otherwise it called a tool, was cut off, or was told to go on. */
function isLast({ message }: Entry): boolean {
  switch (message?.stop_reason) {
    case "end_turn":
    case "stop_sequence":
      return true;
    default:
      return false;
  }
}

function blocksOf({ message }: Entry): Array<z.output<typeof block>> {
  const content = message?.content ?? [];
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}
