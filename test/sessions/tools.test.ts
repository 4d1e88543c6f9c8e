import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { type Ledger, openSqliteLedger, type ToolState } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { Book } from "../../src/sessions/book.ts";
import { noteOf, recordCall, whyNot } from "../../src/sessions/tools.ts";
import { accepted, send } from "../ledger/support.ts";
import { ManualClock } from "./manual-clock.ts";

const unknown = /begun before a crash, and its outcome is unknown/;
const finished = /run to its end before a crash/;

describe("a call that must not be run twice", () => {
  const call = (state: ToolState, generation = 1, digest = "d") => ({ state, generation, digest });

  it("is denied when an earlier process has begun it, and nobody knows what came of it", () => {
    assert.match(whyNot([call("unknown")], "d", 2) ?? "", unknown);
  });

  it("is denied when an earlier process has run it to its end", () => {
    assert.match(whyNot([call("finished")], "d", 2) ?? "", finished);
    assert.match(whyNot([call("finished"), call("unknown")], "d", 3) ?? "", unknown);
  });

  it("is run when it was another call, when it had failed, and when Claude saw what it came to", () => {
    assert.equal(whyNot([], "d", 2), null);
    assert.equal(whyNot([call("unknown", 1, "other")], "d", 2), null);
    assert.equal(whyNot([call("failed")], "d", 2), null);
    for (const state of ["started", "finished", "failed", "unknown"] as const) {
      assert.equal(whyNot([call(state, 2)], "d", 2), null);
    }
  });

  it("is judged by the calls alone, not by their order", () => {
    const calls = fc.array(
      fc.record({
        state: fc.constantFrom<ToolState>("started", "finished", "failed", "unknown"),
        generation: fc.integer({ min: 1, max: 3 }),
        digest: fc.constantFrom("d", "e"),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(calls, (all) => {
        assert.equal(whyNot(all, "d", 3), whyNot(all.toReversed(), "d", 3));
        const counts = all.some(
          ({ state, generation, digest }) =>
            digest === "d" && generation < 3 && (state === "unknown" || state === "finished"),
        );
        assert.equal(whyNot(all, "d", 3) !== null, counts);
      }),
    );
  });
});

describe("what Claude is told of a first attempt that is not in the transcript", () => {
  it("is every call that had begun, and what is known of it", () => {
    const call = (name: string, state: ToolState) => ({ name, input: `{"of":"${name}"}`, state });
    assert.equal(
      noteOf([call("A", "unknown"), call("B", "finished"), call("C", "failed"), call("D", "started")]),
      [
        "Note from Switchboard: a first attempt at this message was cut off by a crash. These tool calls had been begun:",
        '- A {"of":"A"}: outcome unknown',
        '- B {"of":"B"}: done',
        '- C {"of":"C"}: failed',
        '- D {"of":"D"}: outcome unknown',
        "Check what they did before you repeat them.",
      ].join("\n"),
    );
  });

  it("is nothing when none had begun", () => {
    assert.equal(noteOf([]), null);
  });

  it("is the begin of a call's input when that is long", () => {
    const note = noteOf([{ name: "Write", input: "x".repeat(2000), state: "unknown" }]) ?? "";
    assert.ok(note.includes(`- Write ${"x".repeat(500)}: outcome unknown`));
  });
});

describe("a tool call", { timeout: 30_000 }, () => {
  let folder: string;
  let ledger: Ledger;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "switchboard-tools-"));
    ledger = await openSqliteLedger({ path: join(folder, "switchboard.db") });
  });
  after(async () => {
    await ledger.close();
    await rm(folder, { recursive: true });
  });

  /** A chat with one message, in a turn of one process after the other. */
  async function chat() {
    const chatId = `test:${randomUUID()}`;
    await ledger.putContact(chatId, { tier: "family" }, "chat");
    const [clock, hurry] = [new ManualClock(), new AbortController().signal];
    const onFailure = (error: unknown) => assert.fail(String(error));
    const book = new Book({ chatId, hostId: "host", ledger, clock, log: silent, hurry, onFailure });
    const { lease, record } = await book.open();
    const { id } = await accepted(ledger, chatId, "go");
    return {
      /** `call` makes a call in the turn; it tells why the tool must not run. `crash`: the turn is cut. */
      async turn() {
        const { generation } = await ledger.beginProcess(lease, record.id, "message");
        await ledger.charge(lease, generation, [send(id, randomUUID())]);
        const turnId = randomUUID();
        await ledger.beginTurn(lease, { id: turnId, sessionId: record.id, generation, messageIds: [id] });
        return {
          call: (input: unknown, { once = true, toolUseId = randomUUID() as string, name = "Bash" } = {}) =>
            recordCall(book, {
              call: { toolUseId, name, input },
              turnId,
              generation,
              messageIds: [id],
              once,
            }),
          end: (toolUseId: string, state: "finished" | "failed") =>
            ledger.endTool(lease, turnId, toolUseId, state),
          async crash() {
            const nothing = { reply: null, proven: null, usage: null, requestAt: null, firstByteAt: null };
            const end = { turnId, messageIds: [id], endings: [], notices: [], ...nothing };
            await ledger.endTurn(lease, { ...end, outcome: "cut" });
            await ledger.requeue(lease, [id], "lost");
          },
        };
      },
      calls: () => ledger.toolCalls(chatId, [id]),
      async denials() {
        const events = await ledger.changes(0, { chatId, limit: 100 });
        return events.flatMap((event) =>
          event.type === "notice" && event.code === "tool_denied" ? event.text : [],
        );
      },
    };
  }

  it("is in the ledger before it is allowed, with what it was to do", async () => {
    const { turn, calls } = await chat();
    const { call } = await turn();
    assert.equal(await call({ command: "ls" }, { toolUseId: "t" }), null);
    const [recorded] = await calls();
    assert.deepEqual(
      [recorded?.toolUseId, recorded?.name, recorded?.input, recorded?.state],
      ["t", "Bash", '{"command":"ls"}', "started"],
    );
  });

  it("is not run a second time after a crash, when the tier wants it only once", async () => {
    const { turn, calls, denials } = await chat();
    const first = await turn();
    await first.call({ command: "pay" });
    await first.call({ command: "ask" }, { toolUseId: "asked" });
    await first.end("asked", "finished");
    await first.crash();
    const second = await turn();
    assert.match((await second.call({ command: "pay" })) ?? "", unknown);
    assert.match((await second.call({ command: "ask" })) ?? "", finished);
    assert.equal(await second.call({ command: "pay more" }), null);
    assert.equal(await second.call({ command: "pay" }, { name: "Pay" }), null);
    assert.equal((await calls()).length, 4, "what is denied is no call");
    const [pay, ask, ...others] = await denials();
    assert.match(pay ?? "", /^Bash was not run again: This very call was begun/);
    assert.match(ask ?? "", /^Bash was not run again: This very call was run/);
    assert.deepEqual(others, []);
  });

  it("is run a second time when it had failed, and when the tier does not mind", async () => {
    const { turn } = await chat();
    const first = await turn();
    await first.call({ command: "pay" }, { toolUseId: "failed" });
    await first.end("failed", "failed");
    await first.call({ command: "ls" });
    await first.crash();
    const second = await turn();
    assert.equal(await second.call({ command: "pay" }), null);
    assert.equal(await second.call({ command: "ls" }, { once: false }), null);
  });

  it("is the same only if all of its input is, also beyond what the ledger keeps", async () => {
    const { turn, calls } = await chat();
    const first = await turn();
    const long = "x".repeat(3000);
    await first.call({ text: `${long}a` });
    await first.crash();
    const second = await turn();
    assert.equal(await second.call({ text: `${long}b` }), null);
    assert.match((await second.call({ text: `${long}a` })) ?? "", unknown);
    assert.ok((await calls()).every(({ input }) => input.length === 2000));
  });

  it("can be one without any input", async () => {
    const { turn, calls } = await chat();
    const { call } = await turn();
    assert.equal(await call(undefined), null);
    assert.deepEqual(
      (await calls()).map(({ input }) => input),
      ["null"],
    );
  });
});
