import assert from "node:assert/strict";
import { it } from "node:test";
import type { Message, ProcessRecord, Reply, ToolCall, Try, Turn, Work } from "../src/ledger/index.ts";
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

const process = (
  generation: number,
  startedAt: number,
  end: [at: number, reason: string] | null,
): ProcessRecord => ({
  ...{ generation, chatId: "a", sessionId: "s", pid: 7, startedAt, startReason: "message" },
  ...{ endedAt: end?.[0] ?? null, endReason: end?.[1] ?? null },
});
const nothing: Work = {
  ...{ messageId: "m", tries: [], processes: [], turns: [], approvals: [], notices: [], remarks: [] },
};
const told = (given: Message, work: Partial<Work>) =>
  timelineOf(given, { ...nothing, ...work }).map(({ at, what }) => `${Date.parse(at)} ${what}`);

it("a message's timeline tells its way in the order of time, with what a crash has cut", () => {
  const work: Work = {
    ...nothing,
    tries: [sent(1, 1000, { outcome: "lost" }), sent(2, 4000, { kind: "continue", outcome: "answered" })],
    processes: [process(1, 900, [2900, "killed by SIGKILL"]), process(2, 3000, [6000, "idle"])],
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
  };
  const timeline = timelineOf(message, work);
  assert.deepEqual(
    timeline.map(({ at, what }) => `${Date.parse(at)} ${what}`),
    [
      ...["1000 accepted", "1000 handed_over", "2000 turn_started", "2500 tool", "2900 process_ended"],
      ...[
        "3000 turn_ended",
        "3000 process_started",
        "4000 handed_over",
        "4500 turn_started",
        "4600 model_asked",
        "5000 model_answers",
      ],
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
  assert.deepEqual(told(message, { tries, processes: [process(1, 1000, null)], turns: [late] }).slice(3, 6), [
    "1900 turn_started",
    "1900 model_asked",
    "2100 model_answers",
  ]);
});

it("a message that joined a running turn is told of what came after that", () => {
  const before = { ...call, toolUseId: "before", startedAt: 800, endedAt: 900 };
  const running = turn("one", 500, {
    ...{ requestAt: 600, firstByteAt: 700, outcome: "answered" as const, endedAt: 6000 },
    calls: [before, call],
  });
  const tries = [sent(1, 1000, { outcome: "answered" })];
  assert.deepEqual(told(message, { tries, processes: [process(1, 400, null)], turns: [running] }), [
    "1000 accepted",
    "1000 handed_over",
    "1000 turn_joined",
    "2500 tool",
    "6000 turn_ended",
    "6000 ended",
  ]);
});

it("a message's timeline has no end as long as the message has none", () => {
  const open: Message = { ...message, status: "sent", endedAt: null };
  const asked = { id: "q", chatId: "a", messageId: "m", name: "Bash", input: "{}", digest: "d", reason: "r" };
  const work: Partial<Work> = {
    tries: [sent(1, 1000, {})],
    processes: [process(1, 900, null)],
    turns: [turn("one", 2000, {})],
    approvals: [{ ...asked, state: "pending", decidedBy: null, askedAt: 2600, until: 9000, endedAt: null }],
  };
  assert.deepEqual(told(open, work), [
    ...["1000 accepted", "1000 handed_over", "2000 turn_started", "2600 approval"],
  ]);
});

it("an answer that a dead process has left is found, not asked for: in the turn that it cut, or in one of its own", () => {
  const answered = { outcome: "answered", endedAt: 6000 } as const;
  const died = { tries: [sent(1, 1000, { outcome: "answered" })], processes: [process(1, 900, [3000, "x"])] };
  const found = ["3000 process_ended", "6000 answer_found", "6000 ended"];
  const handed = ["1000 accepted", "1000 handed_over"];
  assert.deepEqual(told(message, { ...died, turns: [turn("one", 2000, answered)] }), [
    ...[...handed, "2000 turn_started", ...found],
  ]);
  assert.deepEqual(told(message, { ...died, turns: [turn("own", 5999, answered)] }), [...handed, ...found]);
});

it("a process that is put to sleep after the answer is no matter of the message, one that gave it back is", () => {
  const process7 = process(7, 900, [6000, "parked"]);
  const on7 = (outcome: Try["outcome"]) => ({
    tries: [sent(1, 1000, { generation: 7, outcome })],
    processes: [process7],
  });
  assert.deepEqual(told(message, on7("answered")), ["1000 accepted", "1000 handed_over", "6000 ended"]);
  assert.deepEqual(told(message, on7("excused")), [
    ...["1000 accepted", "1000 handed_over", "6000 process_ended", "6000 ended"],
  ]);
});

it("what the sender and the operator were told is told in its place, the answer last", () => {
  const reply = (kind: "answer" | "notice", createdAt: number): Reply => ({
    ...{ id: kind, chatId: "a", seq: 2, kind, text: "Soon.", answers: ["m"], channel: null, route: null },
    ...{ status: "sent", attempts: 0, dueAt: null, pauseMs: null, error: null, createdAt },
  });
  const work = {
    notices: [reply("notice", 3000)],
    remarks: [{ at: 2000, code: "quarantined", text: "The process has died 6 times." }],
  };
  const timeline = timelineOf({ ...message, reply: reply("answer", 6000) }, { ...nothing, ...work });
  assert.deepEqual(timeline.slice(1), [
    {
      at: "1970-01-01T00:00:02.000Z",
      what: "remark",
      code: "quarantined",
      text: "The process has died 6 times.",
    },
    {
      ...{ at: "1970-01-01T00:00:03.000Z", what: "notice", text: "Soon." },
      ...{ status: "sent", attempts: 0, error: null },
    },
    { at: "1970-01-01T00:00:06.000Z", what: "ended", status: "answered" },
    { at: "1970-01-01T00:00:06.000Z", what: "reply", status: "sent", attempts: 0, error: null },
  ]);
});
