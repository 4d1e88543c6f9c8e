/** What contacts get: one answer each, their own, by their own way. */

import { type Delivery, noncePattern } from "../../evidence.ts";
import type { Case, ReplyRow } from "../case.ts";
import { wordsMayBeLost } from "../losses.ts";
import { about, type Violation } from "../violation.ts";

/** At most one completed turn has a message, and at most one answer names it. */
export function oneAnswer(evidence: Case): Violation[] {
  const { messages, replies, turns } = evidence;
  const answers = replies.filter(({ kind }) => kind === "answer");
  const completed = turns.filter(({ outcome }) => outcome === "answered");
  return messages.flatMap((message) => {
    const listed = answers.filter(({ answers: ids }) => ids.includes(message.id)).length;
    const named = answers.filter(({ text }) => text.includes(message.nonce)).length;
    const ran = completed.filter(({ members }) => members.includes(message.id)).length;
    const wrong = [
      ...(listed > 1 ? [`${listed} answers are for it`] : []),
      // Whose answer no disk took looks unanswered to the model.
      ...(named > 1 && !wordsMayBeLost(message, evidence) ? [`${named} answers speak of it`] : []),
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

/** What goes out by a channel came to it, each reply under one key, and nothing else came. */
export function answerDelivered(evidence: Case): Violation[] {
  return [...undelivered(evidence.replies, evidence.deliveries), ...answersAstray(evidence)];
}

/** Every reply that is said to be sent was taken; one that is not tells why, and none is left on its way. */
function undelivered(replies: readonly ReplyRow[], deliveries: readonly Delivery[]): Violation[] {
  const byReply = Map.groupBy(deliveries, ({ replyId }) => replyId);
  return replies.flatMap((reply) => {
    const came = byReply.get(reply.id) ?? [];
    const keys = new Set(came.map(({ key }) => key));
    const wrong = [
      ...(reply.channel === null && came.length > 0 ? ["came to a channel that is not its own"] : []),
      ...(reply.channel !== null && reply.status === "sent" && !came.some(wasTaken)
        ? ["is said to be sent and never was taken"]
        : []),
      ...(reply.status === "pending" || reply.status === "sending" ? [`is still ${reply.status}`] : []),
      ...((reply.status === "uncertain" || reply.status === "failed") && reply.errorCode === null
        ? [`is ${reply.status} without a reason`]
        : []),
      ...(keys.size > 1 ? [`came under ${keys.size} keys: ${[...keys].join(", ")}`] : []),
      ...(keys.has(null) ? ["came without a key"] : []),
    ];
    return wrong.map((what) => ({
      check: "answer-delivered",
      chatId: reply.chatId,
      messageId: reply.answers[0] ?? null,
      what: `reply ${reply.id} ${what}`,
      where: "deliveries.jsonl",
    }));
  });
}

/** Every answer came at least once, and always as the same reply. */
function answersAstray(evidence: Case): Violation[] {
  const { messages, deliveries } = evidence;
  return messages.flatMap((message) => {
    const came = deliveries.filter(({ nonces }) => nonces.includes(message.nonce));
    const ids = new Set(came.map(({ replyId }) => replyId));
    const wrong = [
      ...(message.channel === null || message.status !== "answered" || came.some(wasTaken)
        ? []
        : ["its answer never came to the channel"]),
      ...(ids.size > 1 && !wordsMayBeLost(message, evidence)
        ? [`its answer came as ${ids.size} replies: ${[...ids].join(", ")}`]
        : []),
    ];
    return wrong.map((what) => about("answer-delivered", message, what, "deliveries.jsonl"));
  });
}

function wasTaken({ how }: Delivery): boolean {
  return how === "accepted" || how === "late";
}
