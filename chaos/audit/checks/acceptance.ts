/** What was acknowledged is stored, once, in the order in which it was acknowledged. */

import type { Case, MessageRow } from "../case.ts";
import { about, type Violation } from "../violation.ts";

/** Each acknowledged message is in the ledger as it was posted. */
export function acceptedIsStored({ accepted, messages }: Case): Violation[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  return accepted.flatMap(({ messageId, chatId, externalId, text, nonce }) => {
    const stored = byId.get(messageId);
    const told = { id: messageId, chatId, nonce };
    if (stored === undefined)
      return [about("accepted-is-stored", told, "was acknowledged and is not in the ledger", "messages")];
    const same = stored.chatId === chatId && stored.externalId === externalId && stored.text === text;
    return same ? [] : [about("accepted-is-stored", told, "is stored as another message", "messages")];
  });
}

/** One external id of a chat is one message, however often it was posted. */
export function onePerId({ accepted, messages }: Case): Violation[] {
  const doubled = [...Map.groupBy(messages, ({ chatId, text }) => `${chatId}\0${text}`).values()].flatMap(
    ([first, ...others]) =>
      first === undefined || others.length === 0
        ? []
        : [about("one-per-id", first, `stands ${others.length + 1} times in the ledger`, "messages")],
  );
  const told = [...Map.groupBy(accepted, ({ chatId, externalId }) => `${chatId}\0${externalId}`).values()];
  const split = told.flatMap((posts) => {
    const ids = new Set(posts.map(({ messageId }) => messageId));
    const [first] = posts;
    if (first === undefined || ids.size === 1) return [];
    const what = `external id ${first.externalId} was acknowledged as ${[...ids].join(" and ")}`;
    return [about("one-per-id", { ...first, id: first.messageId }, what, "accepted.jsonl")];
  });
  return [...doubled, ...split];
}

/**
 * The model sees a chat's messages in the order of their acceptance, and that order is the order of the
 * acknowledgements wherever one was given before the next was asked for.
 */
export function acceptOrder({ accepted, messages, requests }: Case): Violation[] {
  const firstSeen = new Map<string, Omit<Seen, "message">>();
  for (const { n, said } of requests) {
    for (const nonce of said) {
      if (!firstSeen.has(nonce)) firstSeen.set(nonce, { place: firstSeen.size, request: n });
    }
  }
  const acks = Map.groupBy(accepted, ({ messageId }) => messageId);
  return [...Map.groupBy(messages, ({ chatId }) => chatId).values()].flatMap((inChat) => {
    const inOrder = inChat.toSorted((a, b) => a.seq - b.seq);
    const seen = inOrder.flatMap((message) => {
      const seen = firstSeen.get(message.nonce);
      return seen === undefined ? [] : [{ message, ...seen }];
    });
    const overtaken = pairs(seen).flatMap(([a, b]) =>
      b.place < a.place && !isLeftOver(a, b)
        ? [about("accept-order", b.message, `came to the model before ${a.message.nonce}`, "requests.jsonl")]
        : [],
    );
    const asked = inOrder.flatMap((message) => {
      const first = acks.get(message.id)?.[0];
      return first === undefined || first.duplicate ? [] : [{ message, ...first }];
    });
    const swapped = pairs(asked).flatMap(([a, b]) =>
      b.at < a.askedAt
        ? [
            about(
              "accept-order",
              b.message,
              `was acknowledged before ${a.message.nonce} was posted`,
              "messages",
            ),
          ]
        : [],
    );
    return [...overtaken, ...swapped];
  });
}

interface Seen {
  readonly message: MessageRow;
  /** Among all first appearances, in order. */
  readonly place: number;
  readonly request: number;
}

/**
 * What had joined a turn that was given up before the model saw it stays in the conversation, and Claude Code shows it behind
 * the next message.
 */
function isLeftOver(a: Seen, b: Seen): boolean {
  return a.message.status === "failed" && a.request === b.request;
}

function pairs<T>(list: readonly T[]): Array<[T, T]> {
  return list.slice(1).map((next, i): [T, T] => [list[i] as T, next]);
}
