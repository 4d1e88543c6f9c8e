import assert from "node:assert/strict";
import { it } from "node:test";
import type { Message, ToolCall, Try, Turn, Work } from "../src/ledger/index.ts";
import { timelineOf } from "../src/timeline.ts";

const message: Message = {
  ...{ id: "m", externalId: null, chatId: "a", seq: 1, text: "hi", attachments: [], sender: null },
  ...{ channel: null, route: null, command: null, ran: null, error: null, reply: null },
  ...{ status: "answered", tries: 2, acceptedAt: 1000, sentAt: 4000, endedAt: 6000 },
};
const sent = (n: number, chargedAt: number, more: Partial<Try>): Try => ({
  ...{ messageId: "m", sdkUuid: "u", epoch: 1, kind: "send", progress: 0, outcome: null },
  ...{ n, chargedAt, generation: n },
  ...more,
});
const turn = (id: string, startedAt: number, more: Partial<Turn & { calls: ToolCall[] }>) => ({
  ...{ id, chatId: "a", sessionId: "s", generation: 1, messageIds: ["m"], outcome: null },
  ...{ requestAt: null, firstByteAt: null, endedAt: null, calls: [] },
  startedAt,
  ...more,
});
const call: ToolCall = {
  ...{ toolUseId: "t", turnId: "one", generation: 1, name: "Bash", input: "{}", digest: "d" },
  ...{ state: "unknown", startedAt: 2500, endedAt: 3000 },
};

it("a message's timeline tells its way in the order of time, with what a crash has cut", () => {
  const work: Work = {
    messageId: "m",
    tries: [sent(1, 1000, { outcome: "lost" }), sent(2, 4000, { kind: "continue", outcome: "answered" })],
    turns: [
      turn("one", 2000, { outcome: "cut", endedAt: 3000, calls: [call] }),
      turn("two", 4500, {
        generation: 2,
        requestAt: 4600,
        firstByteAt: 5000,
        outcome: "answered",
        endedAt: 6000,
      }),
    ],
    approvals: [],
  };
  const timeline = timelineOf(message, work);
  assert.deepEqual(
    timeline.map(({ at, what }) => `${Date.parse(at)} ${what}`),
    [
      ...["1000 accepted", "1000 handed_over", "2000 turn_started", "2500 tool", "3000 turn_ended"],
      ...["4000 handed_over", "4500 turn_started", "4600 model_asked", "5000 model_answers"],
      ...["6000 turn_ended", "6000 ended"],
    ],
  );
  assert.deepEqual(timeline[3], {
    at: "1970-01-01T00:00:02.500Z",
    what: "tool",
    turnId: "one",
    name: "Bash",
    input: "{}",
    state: "unknown",
    endedAt: "1970-01-01T00:00:03.000Z",
  });
});

it("a turn begins no later than its first request, also when it was written down after that", () => {
  const late = turn("one", 2000, { requestAt: 1900, firstByteAt: 2100, outcome: "answered", endedAt: 6000 });
  const tries = [sent(1, 1000, { outcome: "answered" })];
  const timeline = timelineOf(message, { messageId: "m", tries, turns: [late], approvals: [] });
  assert.deepEqual(
    timeline.slice(2, 5).map(({ at, what }) => `${Date.parse(at)} ${what}`),
    ["1900 turn_started", "1900 model_asked", "2100 model_answers"],
  );
});

it("a message that joined a running turn is told of what came after that", () => {
  const before = { ...call, toolUseId: "before", startedAt: 800, endedAt: 900 };
  const running = turn("one", 500, {
    ...{ requestAt: 600, firstByteAt: 700, outcome: "answered" as const, endedAt: 6000 },
    calls: [before, call],
  });
  const tries = [sent(1, 1000, { outcome: "answered" })];
  const timeline = timelineOf(message, { messageId: "m", tries, turns: [running], approvals: [] });
  assert.deepEqual(
    timeline.map(({ at, what }) => `${Date.parse(at)} ${what}`),
    ["1000 accepted", "1000 handed_over", "1000 turn_joined", "2500 tool", "6000 turn_ended", "6000 ended"],
  );
});

it("a message's timeline has no end as long as the message has none", () => {
  const open: Message = { ...message, status: "sent", endedAt: null };
  const asked = { id: "q", chatId: "a", messageId: "m", name: "Bash", input: "{}", digest: "d", reason: "r" };
  const work: Work = {
    messageId: "m",
    tries: [sent(1, 1000, {})],
    turns: [turn("one", 2000, {})],
    approvals: [{ ...asked, state: "pending", decidedBy: null, askedAt: 2600, until: 9000, endedAt: null }],
  };
  const timeline = timelineOf(open, work);
  assert.deepEqual(
    timeline.map(({ what }) => what),
    ["accepted", "handed_over", "turn_started", "approval"],
  );
});
