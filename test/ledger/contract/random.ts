/** Random calls, right ones and wrong ones, several at once: whatever comes, the books balance. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import {
  type Delivery,
  hasEnded,
  type Lease,
  type Ledger,
  LedgerError,
  type LedgerEvent,
  type Reply,
  type TurnOutcome,
} from "../../../src/ledger/index.ts";
import { admitted, allEvents, inbound, send, toolCall } from "../support.ts";
import type { PromiseTest } from "./place.ts";

const calls = [
  "accept",
  "accept",
  "accept",
  "claim",
  "contact",
  "acquire",
  "release",
  "process",
  "processEnded",
  "charge",
  "charge",
  "requeue",
  "endMessages",
  "notify",
  "beginTurn",
  "beginTurn",
  "beginTurn",
  "joinTurn",
  "endTurn",
  "endTurn",
  "beginTool",
  "endTool",
  "deliver",
  "deliver",
  "retryReply",
  "reset",
  "undoReset",
  "append",
] as const;

/** One call; what `n` and `picks` choose depends on the call. */
const step = fc.record({
  call: fc.constantFrom(...calls),
  chat: fc.nat(1),
  n: fc.nat(5),
  picks: fc.array(fc.nat(9), { maxLength: 3 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Steps of a group are under way together; then, now and again, the ledger is opened anew. */
const scenario = fc.array(
  fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 5 }), reopen: fc.nat(30) }),
  { minLength: 5, maxLength: 30, size: "max" },
);

/** What the caller knows of a chat; it may be out of date. */
interface Known {
  chatId: string;
  lease: Lease;
  sessionId: string;
  generation: number;
  messages: string[];
  running: string[];
  ended: string[];
  replies: string[];
}

const statuses = ["failed", "stopped", "refused"] as const;
const outcomes: readonly TurnOutcome[] = ["answered", "answered", "failed", "stopped", "cut"];
const problem = { code: "x", message: "y" };
const deliveries: readonly Delivery[] = [
  { status: "sending" },
  { status: "sending" },
  { status: "sent" },
  { status: "pending", delayMs: 1000, error: problem },
  { status: "uncertain", error: problem },
  { status: "failed", error: problem },
];
const tiers = ["family", "admin", "stranger"] as const;

async function carryOut(ledger: Ledger, known: Known, { call, n, picks }: Step): Promise<void> {
  const { chatId, lease, sessionId, generation } = known;
  const messageIds = picks.flatMap((pick) => known.messages.at(-1 - (pick % 5)) ?? []);
  const turnId = (n === 5 ? known.ended : known.running).at(-1) ?? "none";
  const ending = (messageId: string) => ({
    messageId,
    status: statuses[n % 3] ?? "failed",
    ran: n % 2 === 0,
    error: n % 2 === 0 ? null : problem,
  });
  const replyId = known.replies.at(-1 - (picks[0] ?? 0)) ?? "none";
  const newReply = () => {
    const id = randomUUID();
    known.replies.push(id);
    return id;
  };
  const notices = n < 2 ? [{ id: n === 0 ? newReply() : replyId, text: "a notice", about: messageIds }] : [];
  switch (call) {
    case "accept":
    case "claim": {
      const fields = {
        externalId: n === 0 ? null : `x${n}`,
        channel: n % 2 === 0 ? "channel" : null,
        contact: { tier: tiers[n % 3] ?? "family" },
      };
      const message = inbound(chatId, `text ${picks.length}`, fields);
      const claim = call === "claim" ? { epoch: lease.epoch, generation } : undefined;
      const acceptance = await ledger.accept(message, admitted, { claim });
      if (acceptance.kind === "accepted") known.messages.push(acceptance.message.id);
      return;
    }
    case "contact":
      await ledger.putContact(chatId, n < 3 ? { name: `Name ${n}` } : { group: n === 4 }, "name");
      return;
    case "acquire": {
      const acquired = await ledger.acquire(chatId, `host ${n}`);
      if ("epoch" in acquired) known.lease = { chatId, epoch: acquired.epoch };
      known.ended.push(...known.running.splice(0));
      return;
    }
    case "release":
      return n === 0 ? ledger.release(lease) : undefined;
    case "process": {
      const session = await ledger.openSession(lease, randomUUID());
      known.sessionId = session.id;
      known.generation = (await ledger.beginProcess(lease, session.id, "message")).generation;
      return ledger.processStarted(lease, known.generation, 1 + n);
    }
    case "processEnded":
      return n === 0 ? ledger.processEnded(lease, generation, "idle") : undefined;
    case "charge":
      return ledger.charge(
        lease,
        generation,
        messageIds.map((messageId) => send(messageId, randomUUID())),
      );
    case "requeue":
      return ledger.requeue(lease, messageIds, n === 0 ? "excused" : "lost");
    case "endMessages":
      return ledger.endMessages(lease, messageIds.map(ending), notices);
    case "notify":
      return ledger.notify(lease, notices);
    case "beginTurn": {
      const id = randomUUID();
      await ledger.beginTurn(lease, { id, sessionId, generation, messageIds });
      known.running.push(id);
      return;
    }
    case "joinTurn":
      return ledger.joinTurn(lease, turnId, messageIds);
    case "endTurn": {
      const outcome = outcomes[n % 5] ?? "failed";
      await ledger.endTurn(lease, {
        turnId,
        outcome,
        messageIds,
        reply: n === 0 ? null : { id: newReply(), text: `reply ${n}` },
        notices,
        endings: messageIds.slice(n % 2).map(ending),
        proven: n === 1 ? { sessionId, sdkSessionId: `sdk ${n}`, toldFacts: null } : null,
        usage: { inputTokens: n, outputTokens: 1, costUsd: 0.5 },
        requestAt: null,
        firstByteAt: n,
      });
      known.running = known.running.filter((id) => id !== turnId);
      known.ended.push(turnId);
      return;
    }
    case "beginTool":
      return ledger.beginTool(lease, toolCall(turnId, `tool ${picks.length}`));
    case "endTool":
      return ledger.endTool(lease, turnId, `tool ${picks.length}`, n < 3 ? "finished" : "failed");
    case "deliver":
      return ledger.deliver(replyId, deliveries[n] ?? { status: "sent" });
    case "retryReply":
      await ledger.retryReply(replyId);
      return;
    case "reset":
      await ledger.resetSession(lease, randomUUID());
      return;
    case "undoReset":
      await ledger.undoReset(lease);
      return;
    case "append":
      return ledger.append(lease, [{ type: "notice", code: "x", text: `${n}` }]);
  }
}

/** Of one chat, from what any caller can read. */
async function checkBooks(ledger: Ledger, chatId: string): Promise<void> {
  const chat = await ledger.chat(chatId);
  const events = (await allEvents(ledger)).filter((event) => event.chatId === chatId);
  if (chat === null) {
    assert.deepEqual(events, [], "a chat that is not there has no events");
    return;
  }
  const history = await ledger.history(chatId, { limit: 1000 });
  const messages = history.filter((entry) => "externalId" in entry);
  const replies = history.filter((entry) => "kind" in entry);
  assert.deepEqual(
    history.map((entry) => entry.seq),
    history.map((_, index) => index + 1),
    "places are dense and unique",
  );

  const told = new Map<string, Extract<LedgerEvent, { type: "message" }>["message"]>();
  for (const event of events) {
    if (event.type !== "message") continue;
    const before = told.get(event.message.id);
    assert.ok(before === undefined || !hasEnded(before.status), "nothing happens to a message after its end");
    told.set(event.message.id, event.message);
  }
  for (const {
    id,
    externalId,
    seq,
    text,
    attachments,
    status,
    ran,
    tries,
    error,
    reply,
    endedAt,
  } of messages) {
    const expected = {
      id,
      externalId,
      seq,
      text,
      attachments,
      status,
      ran,
      tries,
      error,
      replyId: reply?.id ?? null,
    };
    assert.deepEqual(told.get(id), expected, "the events replayed give the row");
    assert.equal(reply !== null, status === "answered");
    assert.equal(endedAt !== null, hasEnded(status));
    const answers = replies.filter((one) => one.kind === "answer" && one.answers.includes(id));
    assert.deepEqual(answers, reply === null ? [] : [reply], "at most one answer names a message");
  }
  assert.equal(told.size, messages.length);
  const lastTold = new Map(
    events.flatMap((event) => (event.type === "reply" ? [[event.reply.id, event.reply]] : [])),
  );
  assert.deepEqual([...lastTold.values()], replies, "the last event of a reply gives the row");
  await checkReplies(ledger, chatId, replies);
  await checkTools(
    ledger,
    chatId,
    messages.map(({ id }) => id),
    events,
  );

  const open = await ledger.openMessages(chatId);
  assert.deepEqual(
    open.map(({ message }) => message),
    messages.filter((message) => !hasEnded(message.status)),
  );
  assert.equal(chat.open, open.length);
  for (const { message, tries } of open) {
    assert.deepEqual(
      tries.map((one) => one.n),
      Array.from({ length: message.tries }, (_, index) => index + 1),
    );
    const underWay = tries.filter((one) => one.outcome === null);
    assert.ok(underWay.length <= 1 && (underWay.length === 0 || underWay[0] === tries.at(-1)));
    if (message.status === "queued") assert.equal(underWay.length, 0);
  }
  assert.equal((await ledger.chatsWithOpenMessages("", 1000)).includes(chatId), open.length > 0);

  // Turns that a lost lease left running have cost nobody knows what; only those that `endTurn` ended have a first byte here.
  const ended = (await ledger.turns(chatId, 1000)).filter((turn) => turn.firstByteAt !== null);
  assert.equal(chat.usage.turns, ended.length);
  assert.equal(chat.usage.costUsd, ended.length / 2);
}

/** What is to be sent, and what was given up, are found among a chat's replies. */
async function checkReplies(ledger: Ledger, chatId: string, replies: readonly Reply[]): Promise<void> {
  for (const { channel, status, attempts, dueAt, pauseMs, error } of replies) {
    assert.equal(dueAt !== null, status === "pending");
    assert.equal(pauseMs !== null, status === "pending");
    assert.ok(channel !== null || (status === "sent" && attempts === 0));
    assert.ok(error === null || ["pending", "uncertain", "failed"].includes(status));
  }
  const toSend = replies.filter(({ status }) => status === "pending" || status === "sending");
  assert.deepEqual(await ledger.nextReply("channel", chatId), toSend[0] ?? null);
  assert.equal((await ledger.chatsWithReplies("channel", "", 1000)).includes(chatId), toSend.length > 0);
  const givenUp = (await ledger.failedReplies("", 1000)).filter((reply) => reply.chatId === chatId);
  assert.deepEqual(
    new Set(givenUp),
    new Set(replies.filter(({ status }) => status === "uncertain" || status === "failed")),
  );
}

/** A call runs only in a turn that runs, and its events are its begin and its end. */
async function checkTools(
  ledger: Ledger,
  chatId: string,
  messageIds: string[],
  events: readonly LedgerEvent[],
): Promise<void> {
  const turns = new Map((await ledger.turns(chatId, 1000)).map((turn) => [turn.id, turn]));
  for (const { turnId, toolUseId, state, endedAt } of await ledger.toolCalls(chatId, messageIds)) {
    const turn = turns.get(turnId);
    assert.equal(endedAt === null, state === "started");
    assert.ok(state !== "started" || turn?.endedAt === null);
    assert.deepEqual(
      events.flatMap((event) =>
        event.type === "tool" && event.turnId === turnId && event.toolUseId === toolUseId
          ? [event.state]
          : [],
      ),
      state === "started" ? [state] : ["started", state],
    );
  }
}

export function randomPromises(promise: PromiseTest): void {
  promise("leaves one end, one answer, dense places, and events that tell it all", async (first, reopen) => {
    let ledger = first;
    let heard: LedgerEvent[] = [];
    let openedAt = 0;
    let runs = 0;
    const listen = () => {
      heard = [];
      ledger.onCommit((events) => heard.push(...events));
    };
    const checkHeard = async () => assert.deepEqual(heard, await allEvents(ledger, openedAt));
    listen();

    await fc.assert(
      fc.asyncProperty(scenario, async (groups) => {
        runs += 1;
        const chats = ["a", "b"].map(
          (name): Known => ({
            chatId: `${runs} ${name}`,
            lease: { chatId: `${runs} ${name}`, epoch: 0 },
            sessionId: "none",
            generation: 0,
            messages: [],
            running: [],
            ended: [],
            replies: [],
          }),
        );
        for (const known of chats) {
          for (const call of ["accept", "acquire", "process"] as const) {
            await carryOut(ledger, known, { call, chat: 0, n: 0, picks: [] });
          }
        }
        for (const { steps, reopen: chance } of groups) {
          const results = await Promise.allSettled(
            steps.flatMap((one) => {
              const known = chats[one.chat];
              return known === undefined ? [] : [carryOut(ledger, known, one)];
            }),
          );
          for (const result of results) {
            if (result.status === "fulfilled") continue;
            assert.ok(result.reason instanceof LedgerError, `${result.reason}`);
            assert.match(result.reason.code, /^(stale_epoch|invalid)$/, result.reason.message);
          }
          if (chance === 0) {
            await checkHeard();
            ledger = await reopen();
            openedAt = await ledger.lastSeq();
            listen();
          }
        }
        for (const { chatId } of chats) await checkBooks(ledger, chatId);
      }),
      { numRuns: 20, interruptAfterTimeLimit: 60_000 },
    );
    await checkHeard();
    const events = await allEvents(ledger);
    assert.deepEqual(
      events.map((event) => event.seq),
      events.map((_, index) => index + 1),
    );
  });
}
