/** What senders are told in our own words, so that nothing ends in silence. Pure. */

import { createHash, randomUUIDv7 } from "node:crypto";
import type { Ending, Failure, Message, Notice } from "../ledger/index.ts";

/** One notice for all messages that failed for the same reason. */
export function failureNotices(endings: readonly Ending[]): Notice[] {
  const failed = endings.flatMap(({ messageId, error }) => (error === null ? [] : [{ messageId, error }]));
  const told = failed.filter(({ error }) => error.code !== "refused_contact");
  return [...Map.groupBy(told, ({ error }) => error.code).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const about = group.map(({ messageId }) => messageId);
    return { id: randomUUIDv7(), text: failureText(first.error, about.length), about };
  });
}

function failureText({ code }: Failure, count: number): string {
  const what = count === 1 ? "your message" : `your ${count} messages`;
  const again = count === 1 ? "Please send it again." : "Please send them again.";
  switch (code) {
    case "empty_answer":
      return `I found nothing to say to ${what} (${code}).`;
    case "interrupted":
    case "tries_exhausted":
      return `I was cut off several times while working on ${what}, and gave up (${code}). ${again}`;
    case "context_too_long":
      return `I could not read ${what}: it is too long for me, together with what we have said before (${code}).`;
    case "quarantined":
      return `I am out of order at the moment and could not answer ${what} (${code}). The operator has been told.`;
    case "invalid_request":
      return `${capital(what)} could not be processed, and I left it out of our conversation (${code}).`;
    default:
      return `I could not answer ${what} because of a problem on our side (${code}). ${again}`;
  }
}

/** Told when a conversation had to be begun anew: it is `lost`, or has become too long. */
export function freshNotice(messageId: string, lost: boolean): Notice {
  const text = lost
    ? "I could not find our conversation any more, so I begin anew and remember nothing of it."
    : "Our conversation has become too long for me, so I begin anew and remember nothing of it.";
  return noticeOf(text, messageId);
}

/**
 * To each channel that open messages came by. The same for one channel and one pause, so that it is told once; not for each
 * route, which may be another for each message.
 */
export function pauseNotices(
  chatId: string,
  pause: { kind: "limit" | "budget" | "authentication" | "billing"; since: number; until: number },
  open: ReadonlyArray<Pick<Message, "id" | "channel">>,
): Notice[] {
  const { kind, since, until } = pause;
  const minute = new Date(Math.ceil(until / 60_000) * 60_000).toISOString();
  const text = {
    limit: `I have reached my usage limit. Your message is kept, and I will answer it after ${clockTime(minute)}.`,
    budget: `My budget for today is used up. Your message is kept, and I will answer it after ${clockTime(minute)}, or when I am allowed more.`,
    authentication: outOfReach,
    billing: outOfReach,
  }[kind];
  const what = kind === "limit" ? minute : kind === "budget" ? `budget ${minute}` : `${kind} ${since}`;
  const byChannel = Map.groupBy(open, ({ channel }) => channel);
  return [...byChannel].map(([channel, messages]) => ({
    id: uuidOf([chatId, what, channel ?? ""].join("\0")),
    text,
    about: messages.slice(0, 1).map(({ id }) => id),
  }));
}

const outOfReach =
  "I cannot reach my model at the moment. Your message is kept, and I will answer it as soon as that is put right.";

/** By each channel: its messages were stopped by somebody else. */
export function stoppedNotices(stopped: ReadonlyArray<Pick<Message, "id" | "channel">>): Notice[] {
  const byChannel = Map.groupBy(stopped, ({ channel }) => channel);
  byChannel.delete(null);
  return [...byChannel.values()].map((messages) => {
    const what = messages.length === 1 ? "your message" : `your ${messages.length} messages`;
    return {
      id: randomUUIDv7(),
      text: `My work on ${what} was stopped.`,
      about: messages.map(({ id }) => id),
    };
  });
}

export function noticeOf(text: string, messageId: string): Notice {
  return { id: randomUUIDv7(), text, about: [messageId] };
}

/** What a stop word did. */
export function stopNotice(stopped: ReadonlyArray<{ ran: boolean }>, messageId: string): Notice {
  const ran = stopped.filter((each) => each.ran).length;
  const waiting = stopped.length - ran;
  const parts = [
    ...(ran > 0 ? ["what I was working on"] : []),
    ...(waiting > 0 ? [waiting === 1 ? "1 waiting message" : `${waiting} waiting messages`] : []),
  ];
  return noticeOf(
    parts.length === 0 ? "There was nothing to stop." : `Stopped: ${parts.join(" and ")}.`,
    messageId,
  );
}

function clockTime(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

/** A UUID (version 8, RFC 9562) that is the same for the same text. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
