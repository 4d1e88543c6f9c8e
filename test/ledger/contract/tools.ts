import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Ledger } from "../../../src/ledger/index.ts";
import { eventually } from "../../support/eventually.ts";
import { accepted, allEvents, answered, rejects, toolCall, turnOf, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function toolsPromises(promise: PromiseTest): void {
  promise("a tool call is there before its tool runs, and told by an event at each step", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    const last = await ledger.lastSeq();

    await ledger.beginTool(at.lease, toolCall(turn, "u"));
    const [begun] = await ledger.toolCalls("a", [message.id]);
    assert.ok(begun !== undefined);
    assert.deepEqual(begun, {
      ...toolCall(turn, "u"),
      generation: at.generation,
      state: "started",
      startedAt: begun.startedAt,
      endedAt: null,
    });
    await ledger.endTool(at.lease, turn, "u", "finished");
    const [ended] = await ledger.toolCalls("a", [message.id]);
    assert.ok(ended !== undefined && ended.endedAt !== null);
    assert.deepEqual(ended, { ...begun, state: "finished", endedAt: ended.endedAt });

    assert.deepEqual(
      (await allEvents(ledger, last)).map(({ seq, at, ...change }) => change),
      ["started", "finished"].map((state) => ({
        chatId: "a",
        type: "tool",
        turnId: turn,
        toolUseId: "u",
        name: "Bash",
        state,
      })),
    );
  });

  promise("what was done for a message is told whole: tries, turns, calls and questions", async (ledger) => {
    const at = await work(ledger, "a");
    const [message, other] = [await accepted(ledger, "a", "hi"), await accepted(ledger, "a", "you")];
    const cut = await turnOf(ledger, at, [message]);
    await ledger.beginTool(at.lease, toolCall(cut, "u"));
    await ledger.endTurn(at.lease, { ...answered(cut, [], { reply: null }), outcome: "cut" });
    const question = { id: "q", messageId: message.id, name: "Bash", input: "{}", digest: "d", reason: "r" };
    await ledger.askApproval(at.lease, { ...question, waitMs: 9000, tell: null });
    const turn = await turnOf(ledger, at, [message, other]);
    await ledger.endTurn(at.lease, answered(turn, [message, other]));

    const [second, first, none] = await ledger.works([other.id, message.id, "no message"]);
    assert.deepEqual(
      first?.tries.map(({ n, outcome }) => [n, outcome]),
      [
        [1, "lost"],
        [2, "answered"],
      ],
    );
    const turns = await ledger.turns("a", 10);
    const calls = await ledger.toolCalls("a", [message.id]);
    assert.equal(calls.length, 1);
    assert.deepEqual(first?.turns, [
      { ...turns[1], calls },
      { ...turns[0], calls: [] },
    ]);
    assert.deepEqual(first?.approvals, [await ledger.approval("q")]);
    assert.deepEqual(second?.turns, [{ ...turns[0], calls: [] }]);
    assert.deepEqual(first?.processes, await ledger.processes("a", 10));
    const nothing = { tries: [], processes: [], turns: [], approvals: [], notices: [], remarks: [] };
    assert.deepEqual(none, { messageId: "no message", ...nothing });
  });

  promise(
    "what was told while a message was open is told with it: to its sender of it, and of the chat",
    async (ledger) => {
      const at = await work(ledger, "a");
      const elsewhere = await work(ledger, "b");
      const remark = (text: string) => ({ type: "notice" as const, code: "noted", text });
      const message = await accepted(ledger, "a", "hi");
      await clockAfter(message.acceptedAt);
      await ledger.append(at.lease, [remark("one")]);
      await ledger.append(elsewhere.lease, [remark("of another chat")]);
      const other = await accepted(ledger, "a", "you");
      await ledger.notify(at.lease, [
        { id: "n", text: "Wait.", about: [message.id] },
        { id: "o", text: "You too.", about: [other.id] },
      ]);
      await ledger.append(at.lease, [remark("two")]);
      const told = async () => {
        const [{ notices, remarks } = assert.fail()] = await ledger.works([message.id]);
        return { notices, remarks: remarks.map(({ code, text }) => [code, text]) };
      };
      const history = await ledger.history("a", { limit: 10 });
      const remarks = [
        ["noted", "one"],
        ["noted", "two"],
      ];
      assert.deepEqual(await told(), { notices: history.filter(({ id }) => id === "n"), remarks });

      const turn = await turnOf(ledger, at, [message]);
      await ledger.endTurn(at.lease, answered(turn, [message]));
      const { endedAt } = (await ledger.message(message.id)) ?? assert.fail();
      await clockAfter(endedAt ?? assert.fail());
      await ledger.append(at.lease, [remark("when it had ended")]);
      assert.deepEqual((await told()).remarks, remarks);
    },
  );

  promise("a call begins once and ends once", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    await ledger.beginTool(at.lease, toolCall(turn, "u"));
    await ledger.endTool(at.lease, turn, "u", "failed");
    const calls = await ledger.toolCalls("a", [message.id]);
    const last = await ledger.lastSeq();
    await ledger.beginTool(at.lease, toolCall(turn, "u"));
    await ledger.endTool(at.lease, turn, "u", "finished");
    await ledger.endTool(at.lease, turn, "never begun", "finished");
    await ledger.endTool(at.lease, "no turn", "u", "finished");
    assert.deepEqual(await ledger.toolCalls("a", [message.id]), calls);
    assert.equal(await ledger.lastSeq(), last);
  });

  promise("calls that still run end unknown with their turn, in the order of their begin", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    for (const id of ["z", "done", "a"]) await ledger.beginTool(at.lease, toolCall(turn, id));
    await ledger.endTool(at.lease, turn, "done", "finished");
    const last = await ledger.lastSeq();
    await ledger.endTurn(at.lease, answered(turn, [message]));
    assert.deepEqual(await states(ledger, message.id), ["z unknown", "done finished", "a unknown"]);
    assert.deepEqual(
      (await allEvents(ledger, last)).flatMap((event) =>
        event.type === "tool" ? [`${event.toolUseId} ${event.state}`] : [],
      ),
      ["z unknown", "a unknown"],
    );
    await rejects(ledger.beginTool(at.lease, toolCall(turn, "late")), "invalid", new RegExp(turn));
  });

  promise("the calls for messages are those of every turn that took one of them in", async (ledger) => {
    const at = await work(ledger, "a");
    const [first, second, other] = [
      await accepted(ledger, "a", "1"),
      await accepted(ledger, "a", "2"),
      await accepted(ledger, "a", "3"),
    ];
    for (const [members, id] of [
      [[first], "of the first turn"],
      [[first, second], "of both"],
      [[other], "of another"],
    ] as const) {
      const turn = await turnOf(ledger, at, [...members]);
      await ledger.beginTool(at.lease, toolCall(turn, id));
      await ledger.endTurn(at.lease, { ...answered(turn, [], { reply: null }), outcome: "cut" });
    }
    const called = async (...ids: string[]) =>
      (await ledger.toolCalls("a", ids)).map(({ toolUseId }) => toolUseId);
    assert.deepEqual(await called(second.id, first.id), ["of the first turn", "of both"]);
    assert.deepEqual(await called(second.id), ["of both"]);
    assert.deepEqual(await called(other.id, randomUUID()), ["of another"]);
    assert.deepEqual(await called(), []);
    assert.deepEqual(await ledger.toolCalls("b", [first.id]), [], "another chat has none of them");
  });

  promise("a call is of an open turn of the chat, and other turns may use its id again", async (ledger) => {
    const a = await work(ledger, "a");
    const b = await work(ledger, "b");
    const [mine, theirs] = [await accepted(ledger, "a", "hi"), await accepted(ledger, "b", "hi")];
    const [turn, foreign] = [await turnOf(ledger, a, [mine]), await turnOf(ledger, b, [theirs])];
    await rejects(ledger.beginTool(a.lease, toolCall(foreign, "u")), "invalid");
    await rejects(ledger.beginTool(a.lease, toolCall(randomUUID(), "u")), "invalid");
    await ledger.beginTool(b.lease, toolCall(foreign, "u"));
    await ledger.beginTool(a.lease, toolCall(turn, "u"));
    await ledger.endTool(a.lease, foreign, "u", "finished");
    assert.deepEqual(await states(ledger, theirs.id, "b"), ["u started"]);
    assert.deepEqual(await states(ledger, mine.id), ["u started"]);
  });

  promise("a long input is kept as its beginning", async (ledger) => {
    const at = await work(ledger, "a");
    const message = await accepted(ledger, "a", "hi");
    const turn = await turnOf(ledger, at, [message]);
    await ledger.beginTool(at.lease, { ...toolCall(turn, "u"), input: `${"x".repeat(1999)}👩 and more` });
    const [call] = await ledger.toolCalls("a", [message.id]);
    assert.equal(call?.input, `${"x".repeat(1999)}\ufffd`);
  });
}

async function states(ledger: Ledger, messageId: string, chatId = "a"): Promise<string[]> {
  return (await ledger.toolCalls(chatId, [messageId])).map(({ toolUseId, state }) => `${toolUseId} ${state}`);
}

async function clockAfter(ms: number): Promise<void> {
  await eventually("the clock has gone on", () => Date.now() > ms);
}
