/** Evidence made by hand: a round in which everything went well, to be spoilt by the tests one thing at a time. */

import type { Case, MessageRow, ReplyRow, RequestSeen } from "../../chaos/audit/case.ts";
import type { Accepted, ProcessSeen } from "../../chaos/evidence.ts";

export const first = "nonce-00000001";
export const second = "nonce-00000002";
export const other = "nonce-0000000a";

export function message(change: Partial<MessageRow> & { nonce: string }): MessageRow {
  return {
    id: `id of ${change.nonce}`,
    chatId: "anna",
    seq: 1,
    externalId: change.nonce,
    text: `Please answer () ${change.nonce}`,
    channel: null,
    route: "null",
    status: "answered",
    tries: 1,
    errorCode: null,
    replyId: `reply to ${change.nonce}`,
    acceptedAt: 0,
    ...change,
  };
}

export function reply(nonce: string, change: Partial<ReplyRow> = {}): ReplyRow {
  return {
    id: `reply to ${nonce}`,
    chatId: "anna",
    kind: "answer",
    text: `Answering ${nonce}.`,
    answers: [`id of ${nonce}`],
    route: "null",
    channel: null,
    status: "sent",
    errorCode: null,
    ...change,
  };
}

export function request(n: number, said: readonly string[], change: Partial<RequestSeen> = {}): RequestSeen {
  const open = said.slice(-1);
  return { n, at: n, sessionId: "anna's", generation: 1, said, open, anywhere: said, ran: [], ...change };
}

export function accepted(nonce: string, change: Partial<Accepted> = {}): Accepted {
  return {
    askedAt: 1,
    at: 2,
    chatId: "anna",
    externalId: nonce,
    nonce,
    text: `Please answer () ${nonce}`,
    messageId: `id of ${nonce}`,
    duplicate: false,
    ...change,
  };
}

export function seen(change: Partial<ProcessSeen>): ProcessSeen {
  return { pid: 10, startTime: 1, generation: 1, space: "anna's", claude: true, stopped: false, ...change };
}

/** Anna has written twice and Ben once; each was answered. */
export function wellDone(change: Partial<Case> = {}): Case {
  return {
    messages: [
      message({ nonce: first }),
      message({ nonce: second, seq: 3 }),
      message({ nonce: other, chatId: "ben" }),
    ],
    replies: [reply(first), reply(second), reply(other, { chatId: "ben" })],
    tries: [first, second, other].map((nonce) => ({
      messageId: `id of ${nonce}`,
      generation: nonce === other ? 2 : 1,
      kind: "send",
      progress: 0,
      outcome: "answered",
    })),
    turns: [first, second, other].map((nonce) => ({
      id: `turn of ${nonce}`,
      outcome: "answered",
      members: [`id of ${nonce}`],
    })),
    sessions: [
      { id: "anna's", chatId: "anna", sdkSessionId: null },
      { id: "ben's", chatId: "ben", sdkSessionId: "ben's later" },
    ],
    ends: [first, second, other].map((nonce) => ({ messageId: `id of ${nonce}`, status: "answered" })),
    calls: ["toolu-1"],
    processes: [
      { generation: 1, endedAt: 9 },
      { generation: 2, endedAt: 9 },
    ],
    accepted: [accepted(first), accepted(second, { askedAt: 3, at: 4 }), accepted(other, { chatId: "ben" })],
    requests: [
      request(1, [first]),
      request(2, [other], { sessionId: "ben's later", generation: 2 }),
      request(3, [first, second], { ran: ["toolu-1"] }),
    ],
    samples: [{ at: 1, processes: [seen({}), seen({ pid: 11, claude: false })] }],
    faults: [],
    daemons: [{ at: 1, pid: 5, what: "ended", code: null, signal: "SIGKILL", expected: true }],
    deliveries: [],
    end: { exitCode: 0, processes: [], temporary: [], sockets: [], lockFree: true, addressGone: true },
    ...change,
  };
}
