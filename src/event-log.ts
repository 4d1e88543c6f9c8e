/**
 * The log's line for each event of the ledger: what happened, in which chat, to which message, by which process. What
 * people and models wrote is told at `trace` alone.
 */

import { hasEnded, type Ledger, type LedgerEvent } from "./ledger/index.ts";
import type { Logger } from "./log.ts";

type Of<Type extends LedgerEvent["type"]> = Extract<LedgerEvent, { type: Type }>;

/** How it went: what is as it should be and no end is for those who look closely. */
type Tone = "debug" | "info" | "warn";

export function logEvents(ledger: Pick<Ledger, "onCommit">, log: Logger): void {
  /** By chat: of the process that it has. */
  const generations = new Map<string, number>();
  ledger.onCommit((events) => {
    for (const event of events) {
      if (event.type === "process") generations.set(event.chatId, event.generation);
      logEvent(event, generations.get(event.chatId) ?? null, log);
      if (event.type === "process" && event.state === "ended") generations.delete(event.chatId);
    }
  });
}

function logEvent(event: LedgerEvent, generation: number | null, log: Logger): void {
  const { seq, chatId, type } = event;
  const about = { event: type, seq, chatId, ...(generation !== null && { generation }) };
  const { tone, words, fields } = lineOf(event);
  log[tone]({ ...about, ...fields }, words);
  const said = textOf(event);
  if (said !== null) log.trace({ ...about, ...said }, `what the ${type} says`);
}

function lineOf(event: LedgerEvent): { tone: Tone; words: string; fields: object } {
  switch (event.type) {
    case "message":
      return message(event);
    case "turn": {
      const { state, turnId, messageIds } = event;
      const tone = state === "cut" || state === "failed" ? "warn" : "debug";
      return { tone, words: `turn ${state}`, fields: { turnId, messageIds } };
    }
    case "tool": {
      const { state, name: tool, turnId, toolUseId } = event;
      return { tone: "debug", words: `tool ${state}`, fields: { tool, turnId, toolUseId } };
    }
    case "reply":
      return reply(event);
    case "process": {
      const { state, pid, reason } = event;
      return {
        tone: "info",
        words: `process ${state}`,
        fields: { ...(pid !== null && { processId: pid }), reason },
      };
    }
    case "notice":
      return { tone: "info", words: event.code, fields: {} };
  }
}

function message({ message: { id, externalId, status, tries, error } }: Of<"message">) {
  const tone: Tone = status === "failed" ? "warn" : hasEnded(status) ? "info" : "debug";
  const fields = { messageId: id, externalId, tries, ...(error !== null && { code: error.code }) };
  return { tone, words: `message ${status}`, fields };
}

function reply({ reply: { id, kind, answers, channel, status, attempts, error } }: Of<"reply">) {
  const tone: Tone = status === "failed" || status === "uncertain" ? "warn" : "debug";
  const why = error !== null && { code: error.code };
  return {
    tone,
    words: `reply ${status}`,
    fields: { replyId: id, kind, messageIds: answers, channel, attempts, ...why },
  };
}

function textOf(event: LedgerEvent): object | null {
  switch (event.type) {
    case "message":
      return { messageId: event.message.id, text: event.message.text, error: event.message.error?.message };
    case "reply":
      return { replyId: event.reply.id, text: event.reply.text, error: event.reply.error?.message };
    case "notice":
      return { code: event.code, text: event.text };
    default:
      return null;
  }
}
