/** What contacts get: one answer each, their own, by their own way. */

import { noncePattern } from "../../evidence.ts";
import type { Case } from "../case.ts";
import { about, type Violation } from "../violation.ts";

/** At most one completed turn has a message, and at most one answer names it. */
export function oneAnswer({ messages, replies, turns }: Case): Violation[] {
  const answers = replies.filter(({ kind }) => kind === "answer");
  const completed = turns.filter(({ outcome }) => outcome === "answered");
  return messages.flatMap((message) => {
    const listed = answers.filter(({ answers: ids }) => ids.includes(message.id)).length;
    const named = answers.filter(({ text }) => text.includes(message.nonce)).length;
    const ran = completed.filter(({ members }) => members.includes(message.id)).length;
    const wrong = [
      ...(listed > 1 ? [`${listed} answers are for it`] : []),
      ...(named > 1 ? [`${named} answers speak of it`] : []),
      ...(ran > 1 ? [`${ran} completed turns have it`] : []),
    ];
    return wrong.map((what) => about("one-answer", message, what, "replies"));
  });
}

/** An answered message has a reply that is for it, speaks of it and of nobody else's, and goes its chat's own way. */
export function ownAnswer({ messages, replies }: Case): Violation[] {
  const byId = new Map(replies.map((reply) => [reply.id, reply]));
  const byNonce = new Map(messages.map((message) => [message.nonce, message]));
  return messages.flatMap((message) => {
    if (message.status !== "answered") return [];
    const reply = byId.get(message.replyId ?? "");
    if (reply === undefined) return [about("own-answer", message, "is answered without a reply", "replies")];
    const strangers = (reply.text.match(noncePattern) ?? []).filter(
      (nonce) => byNonce.get(nonce)?.chatId !== message.chatId,
    );
    const wrong = [
      ...(reply.answers.includes(message.id) ? [] : ["is not among those that its reply answers"]),
      ...(reply.text.includes(message.nonce)
        ? []
        : [`its reply does not speak of it: ${reply.text.slice(0, 80)}`]),
      ...(reply.chatId === message.chatId ? [] : [`its reply went to ${reply.chatId}`]),
      ...(reply.route === message.route
        ? []
        : [`its reply took the way ${reply.route}, not ${message.route}`]),
      ...strangers.map((nonce) => `its reply speaks of ${nonce}`),
    ];
    return wrong.map((what) => about("own-answer", message, `${what} (reply ${reply.id})`, "replies"));
  });
}

/** What goes out by a channel: every answer came to it at least once, and never under two keys; nothing else came. */
export function answerDelivered({ messages, deliveries }: Case): Violation[] {
  return messages.flatMap((message) => {
    const came = deliveries.filter(({ nonces }) => nonces.includes(message.nonce));
    const keys = new Set(came.map(({ key }) => key));
    const taken = came.some(({ how }) => how === "accepted" || how === "late");
    const wrong = [
      ...(message.channel === null && came.length > 0
        ? ["its answer came to a channel that is not its own"]
        : []),
      ...(message.channel === null || message.status !== "answered" || taken
        ? []
        : ["its answer never came to the channel"]),
      ...(keys.size > 1 ? [`its answer came under ${keys.size} keys: ${[...keys].join(", ")}`] : []),
      ...(keys.has(null) ? ["its answer came without a key"] : []),
    ];
    return wrong.map((what) => about("answer-delivered", message, what, "deliveries.jsonl"));
  });
}
