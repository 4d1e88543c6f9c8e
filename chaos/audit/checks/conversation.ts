/** What the model is shown: each message once, of its own chat only, and nothing that was answered is forgotten. */

import type { Case } from "../case.ts";
import { answerMayBeLost, mayBeLost, sinceAsked } from "../losses.ts";
import { about, type Violation } from "../violation.ts";
import { general } from "./endings.ts";

/** In no single request a message stands more than once. */
export function oncePerRequest({ messages, requests }: Case): Violation[] {
  const byNonce = new Map(messages.map((message) => [message.nonce, message]));
  return requests.flatMap(({ n, said }) => {
    const twice = new Set(said.filter((nonce, i) => said.indexOf(nonce) !== i));
    return [...twice].flatMap((nonce) => {
      const message = byNonce.get(nonce);
      const times = said.filter((other) => other === nonce).length;
      return message === undefined
        ? []
        : [about("once-per-request", message, `stands ${times} times in request ${n}`, "requests.jsonl")];
    });
  });
}

/** A request belongs to a session of the ledger, and no other chat's messages are anywhere in it. */
export function noForeignNonce({ messages, sessions, requests }: Case): Violation[] {
  const chatOf = new Map(
    sessions.flatMap(
      ({ id, sdkSessionId, chatId }) =>
        [
          [id, chatId],
          [sdkSessionId ?? id, chatId],
        ] as const,
    ),
  );
  const byNonce = new Map(messages.map((message) => [message.nonce, message]));
  return requests.flatMap(({ n, sessionId, anywhere }) => {
    const chatId = sessionId === null ? undefined : chatOf.get(sessionId);
    if (chatId === undefined)
      return [
        general("no-foreign-nonce", `request ${n} is of session ${sessionId}, which is unknown`, "sessions"),
      ];
    return anywhere.flatMap((nonce) => {
      const message = byNonce.get(nonce);
      if (message === undefined || message.chatId === chatId) return [];
      return [about("no-foreign-nonce", message, `stands in request ${n} of ${chatId}`, "requests.jsonl")];
    });
  });
}

/** No tool has run that the ledger does not know of: after a crash nobody could say what had been done. */
export function callsRecorded({ requests, calls }: Case): Violation[] {
  const told = new Set(calls);
  return requests.flatMap(({ n, sessionId, ran }) =>
    ran.flatMap((id) => {
      if (told.has(id)) return [];
      told.add(id);
      const what = `call ${id} has run, says request ${n} of session ${sessionId}, and stands nowhere`;
      return [general("calls-recorded", what, "tool_calls")];
    }),
  );
}

/**
 * The last request of a chat still holds every message that was answered before, also when its transcript was tampered with
 * since: there is a copy. Not looked for: what was said while no transcript could be written, and what the daemon had no
 * time to copy.
 */
export function remembered(evidence: Case): Violation[] {
  const { messages, sessions, requests, replies } = evidence;
  const chatOf = new Map(
    sessions.flatMap(
      ({ id, sdkSessionId, chatId }) =>
        [
          [id, chatId],
          [sdkSessionId ?? id, chatId],
        ] as const,
    ),
  );
  const last = new Map(requests.map((request) => [chatOf.get(request.sessionId ?? ""), request]));
  const answered = new Set(replies.flatMap(({ kind, answers }) => (kind === "answer" ? answers : [])));
  return messages.flatMap((message) => {
    const request = last.get(message.chatId);
    if (request === undefined || !answered.has(message.id)) return [];
    // By the kit's clock: the daemon's jumps.
    const asked = requests.findLast(({ open }) => open.includes(message.nonce));
    if (request.said.includes(message.nonce) || mayBeLost(message.chatId, asked?.at ?? 0, evidence))
      return [];
    // Where its answer is lost it stands open before later requests, too.
    if (answerMayBeLost(message, evidence)) return [];
    const what = `was answered and is not in request ${request.n}; ${sinceAsked(message.chatId, asked, evidence)}`;
    return [about("remembered", message, what, "requests.jsonl")];
  });
}
