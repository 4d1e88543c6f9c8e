/** Each check finds what it is for, says so under its name, and is silent on a round in which everything went well. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Case } from "../../chaos/audit/case.ts";
import { audit } from "../../chaos/audit/checks.ts";
import { accepted, first, message, other, reply, request, second, seen, wellDone } from "./evidence.ts";

/** The names of the checks that find something, once each. */
function found(evidence: Case): string[] {
  return [...new Set(audit(evidence).map(({ check }) => check))];
}

const well = wellDone();
const endOf = well.end;
const withMessage = (change: object) => ({
  messages: well.messages.map((row) => (row.nonce === second ? { ...row, ...change } : row)),
});
const withReply = (change: object) => ({
  replies: well.replies.map((row) => (row.text.includes(second) ? { ...row, ...change } : row)),
});
/** The same round, with everything going out by the channel. */
const byChannel = {
  messages: well.messages.map((row) => ({ ...row, channel: "chaos" })),
  replies: well.replies.map((row) => ({ ...row, channel: "chaos" })),
};
const delivered = [first, second, other].map((nonce) => ({
  at: 1,
  replyId: `reply to ${nonce}`,
  key: `reply to ${nonce}`,
  nonces: [nonce],
  how: "accepted" as const,
}));
const [toFirst, ...toOthers] = byChannel.replies;
const withFirstReply = (change: object) => ({
  ...byChannel,
  replies: toFirst === undefined ? [] : [{ ...toFirst, ...change }, ...toOthers],
});

describe("the auditor", () => {
  it("finds nothing in a round in which everything went well", () => {
    assert.deepEqual(audit(well), []);
  });

  const spoilt: Array<[check: string, what: string, change: Partial<Case>]> = [
    [
      "accepted-is-stored",
      "a message was acknowledged and is not there",
      { accepted: [...well.accepted, accepted("nonce-0000000f")] },
    ],
    ["accepted-is-stored", "another text was stored", withMessage({ text: `Something else ${second}` })],
    [
      "one-per-id",
      "one external id was acknowledged as two messages",
      {
        messages: well.messages.map((row) => (row.nonce === second ? { ...row, externalId: first } : row)),
        accepted: [accepted(first), accepted(second, { externalId: first, askedAt: 3, at: 4 })],
      },
    ],
    [
      "accept-order",
      "the later message came to the model first",
      { requests: [request(1, [second]), request(2, [second, first]), ...well.requests] },
    ],
    [
      "accept-order",
      "what was posted after an acknowledgement got the earlier place",
      { accepted: [accepted(first, { askedAt: 6, at: 7 }), accepted(second, { askedAt: 3, at: 4 })] },
    ],
    ["one-end", "an end was told twice", { ends: [...well.ends, ...well.ends.slice(0, 1)] }],
    ["one-end", "an end was never told", { ends: well.ends.slice(1) }],
    [
      "never-silent",
      "a message is open at the end",
      {
        ...withMessage({ status: "sent", replyId: null }),
        ends: well.ends.filter(({ messageId }) => messageId !== `id of ${second}`),
        replies: [reply(first), reply(other, { chatId: "ben" })],
      },
    ],
    ["never-silent", "a try has no outcome", { tries: well.tries.map((row) => ({ ...row, outcome: null })) }],
    [
      "never-silent",
      "a turn has no end",
      { turns: [...well.turns, { id: "t", outcome: null, members: [] }] },
    ],
    [
      "charged",
      "the message has more tries than it may",
      {
        ...withMessage({ tries: 4 }),
        tries: [
          ...well.tries,
          ...[3, 4, 5].map((generation) => ({
            messageId: `id of ${second}`,
            generation,
            kind: "send",
            progress: 0,
            outcome: "lost",
          })),
        ],
      },
    ],
    [
      "charged",
      "a process worked on a message that was not charged under it",
      { requests: [...well.requests, request(4, [first, second], { generation: 7 })] },
    ],
    ["charged", "the count differs from the tries", withMessage({ tries: 2 })],
    [
      "once-per-request",
      "a message stands twice in one request",
      { requests: [...well.requests, request(4, [first, second, second])] },
    ],
    [
      "no-foreign-nonce",
      "another chat's message is in a request",
      { requests: [...well.requests, request(4, [first, second], { anywhere: [first, second, other] })] },
    ],
    [
      "no-foreign-nonce",
      "a request is of a session that nobody knows",
      { requests: [request(0, [], { sessionId: "whose" }), ...well.requests] },
    ],
    [
      "remembered",
      "an answered message is gone from the conversation",
      { requests: [...well.requests, request(4, [second])] },
    ],
    [
      "calls-recorded",
      "a tool has run and the ledger does not know of it",
      { requests: [...well.requests, request(4, [first, second], { ran: ["toolu-1", "toolu-2"] })] },
    ],
    [
      "one-answer",
      "two answers are for one message",
      { replies: [...well.replies, reply(first, { id: "again" })] },
    ],
    [
      "one-answer",
      "two completed turns have one message",
      { turns: [...well.turns, ...well.turns.slice(0, 1)] },
    ],
    ["own-answer", "the reply does not speak of the message", withReply({ text: "Answering nothing new." })],
    ["own-answer", "the reply went to another chat", withReply({ chatId: "ben" })],
    ["own-answer", "the reply took another way", withReply({ route: '"elsewhere"' })],
    [
      "own-answer",
      "the reply speaks of another chat's message as well",
      withReply({ text: `Answering ${second}, ${other.replace("a", "b")}.` }),
    ],
    [
      "answer-delivered",
      "an answer never came to the channel",
      { ...byChannel, deliveries: delivered.slice(1) },
    ],
    ["answer-delivered", "an answer came to a channel that is not its own", { deliveries: delivered }],
    [
      "answer-delivered",
      "an answer was only ever taken by a receiver that dropped it",
      {
        ...byChannel,
        deliveries: delivered.map((each) => (each.nonces[0] === first ? { ...each, how: "dropped" } : each)),
      },
    ],
    [
      "answer-delivered",
      "a reply came under two keys",
      {
        ...byChannel,
        deliveries: [
          ...delivered,
          { at: 2, replyId: `reply to ${first}`, key: "other", nonces: [first], how: "accepted" },
        ],
      },
    ],
    [
      "answer-delivered",
      "an answer came as two replies",
      {
        ...byChannel,
        deliveries: [...delivered, { at: 2, replyId: "x", key: "x", nonces: [first], how: "accepted" }],
      },
    ],
    [
      "answer-delivered",
      "a reply is still on its way",
      { ...withFirstReply({ status: "sending" }), deliveries: delivered },
    ],
    [
      "answer-delivered",
      "a reply is uncertain and nobody says why",
      { ...withFirstReply({ status: "uncertain" }), deliveries: delivered },
    ],
    [
      "one-process",
      "a session had two processes",
      { samples: [{ at: 1, processes: [seen({}), seen({ pid: 12, generation: 2 })] }] },
    ],
    [
      "one-process",
      "a tool outlived its process",
      { samples: [{ at: 1, processes: [seen({ claude: false }), seen({ pid: 12, generation: 2 })] }] },
    ],
    [
      "nothing-left",
      "a process is left",
      { end: endOf && { ...endOf, processes: [{ pid: 3, command: "claude" }] } },
    ],
    ["nothing-left", "a socket is left", { end: endOf && { ...endOf, sockets: ["/x.sock"] } }],
    ["nothing-left", "a temporary file is left", { end: endOf && { ...endOf, temporary: ["x"] } }],
    ["nothing-left", "the lock is held", { end: endOf && { ...endOf, lockFree: false } }],
    [
      "nothing-left",
      "the ledger knows of a process without an end",
      { processes: [{ generation: 3, endedAt: null }] },
    ],
    ["nothing-left", "the round did not come to its end", { end: null }],
    [
      "daemon-stands",
      "the daemon ended by itself",
      { daemons: [{ at: 1, pid: 5, what: "ended", code: 1, signal: null, expected: false }] },
    ],
  ];
  for (const [check, what, change] of spoilt) {
    it(`finds by ${check} alone that ${what}`, () => {
      assert.deepEqual(found(wellDone(change)), [check]);
    });
  }

  it("finds by gave-up-early that a message failed with tries left, and lets one without any fail", () => {
    const failed = (tries: number) => {
      const messages = [
        message({ nonce: first, status: "failed", tries, replyId: null, errorCode: "interrupted" }),
      ];
      const made = Array.from({ length: tries }, () => ({
        messageId: `id of ${first}`,
        generation: 1,
        kind: "send",
        progress: 0,
        outcome: "lost",
      }));
      const ends = [{ messageId: `id of ${first}`, status: "failed" }];
      return wellDone({
        messages,
        tries: made,
        ends,
        replies: [],
        turns: [],
        accepted: [accepted(first)],
        requests: [request(1, [first])],
      });
    };
    assert.deepEqual(found(failed(2)), ["gave-up-early"]);
    assert.deepEqual(found(failed(3)), []);
  });

  const forgotten = [...well.requests, request(40, [second])];
  const tampered = [{ at: 20, kind: "transcript" as const, how: "deleted" as const, chatId: "anna" }];

  it("asks a chat whose transcript was tampered with to remember: there is a copy", () => {
    const later = tampered.map((fault) => ({ ...fault, at: fault.at + 60_000 }));
    assert.deepEqual(found(wellDone({ requests: forgotten, faults: later, daemons: [] })), ["remembered"]);
  });

  it("asks nobody to remember what a daemon had no time to copy, or a full disk no room for", () => {
    const full = [{ at: 2, kind: "disk full" as const, forMs: 1 }];
    assert.deepEqual(found(wellDone({ requests: forgotten, faults: tampered })), []);
    assert.deepEqual(found(wellDone({ requests: forgotten, faults: tampered, daemons: [] })), []);
    assert.deepEqual(found(wellDone({ requests: forgotten, faults: full })), []);
  });

  it("takes words that a full disk has swallowed for said again, not for a second answer", () => {
    const again = reply("nonce-0000000b", { text: `Answering ${first} and nonce-0000000b.`, answers: [] });
    const twice = { ...byChannel, replies: [...byChannel.replies, { ...again, channel: "chaos" }] };
    const deliveries = [
      ...delivered,
      { at: 2, replyId: again.id, key: again.id, nonces: [first], how: "accepted" as const },
    ];
    const round = wellDone({ ...twice, deliveries });
    assert.deepEqual(found(round), ["one-answer", "answer-delivered"]);
    const full = [{ at: 2, kind: "disk full" as const, forMs: 1 }];
    assert.deepEqual(found({ ...round, faults: full }), []);
  });

  it("knows a swallowed answer also where the kit did not see in time whose request it was", () => {
    const stillOpen = request(70_000, [first, second], { generation: 7, open: [first, second] });
    const unseen = well.requests.map((seen) => ({ ...seen, generation: null }));
    const tries = well.tries.map((made) =>
      made.messageId === `id of ${second}` ? { ...made, generation: 7 } : made,
    );
    const round = wellDone({ requests: [...unseen, stillOpen], tries });
    assert.deepEqual(found(round), ["charged"]);
    assert.deepEqual(found({ ...round, faults: [{ at: 2, kind: "disk full", forMs: 1 }] }), []);
  });

  it("lets a session have one process after the other", () => {
    const samples = [
      { at: 1, processes: [seen({})] },
      { at: 2, processes: [seen({ pid: 12, generation: 2 })] },
    ];
    assert.deepEqual(found(wellDone({ samples })), []);
  });

  it("takes a delivery that was repeated under its key for one", () => {
    const deliveries = [
      ...delivered,
      ...delivered.map((delivery) => ({ ...delivery, how: "failed" as const })),
    ];
    assert.deepEqual(found(wellDone({ ...byChannel, deliveries })), []);
  });
});
