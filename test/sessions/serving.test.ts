/** A process is told from its successor by nothing but the object that serves it. Here the port to Claude is driven by hand. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { type Claude, type ClaudeEvent, type Launch, spaceOf } from "../../src/claude/index.ts";
import { defaultConfig } from "../../src/config.ts";
import { tiersOf } from "../../src/contacts/tiers.ts";
import { type Gateway, startGateway } from "../../src/gateway/index.ts";
import { type Ledger, openSqliteLedger } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { Approvals } from "../../src/sessions/approvals.ts";
import { Book } from "../../src/sessions/book.ts";
import { acceptedEntry, sendOf } from "../../src/sessions/entry.ts";
import { Serving } from "../../src/sessions/serving.ts";
import { accepted } from "../ledger/support.ts";
import { ManualClock } from "./manual-clock.ts";

const usage = { inputTokens: 1, outputTokens: 1, costUsd: 0 };

describe("what a process tells after its end", () => {
  let folder: string;
  let ledger: Ledger;
  let gateway: Gateway;
  const clock = new ManualClock();
  const policy = tiersOf(defaultConfig()).get("family") ?? assert.fail();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "switchboard-serving-"));
    ledger = await openSqliteLedger({ path: join(folder, "switchboard.db") });
    gateway = await startGateway({ upstream: { baseUrl: "http://127.0.0.1:1" }, clock, log: silent });
  });
  after(async () => {
    await gateway.close();
    await ledger.close();
    await rm(folder, { recursive: true });
  });

  /** A chat with one message, and processes for it that do what the test says. */
  async function chat() {
    const chatId = `test:${randomUUID()}`;
    const onFailure = (error: unknown) => assert.fail(String(error));
    await ledger.putContact(chatId, { tier: "family" }, "chat");
    const hurry = new AbortController().signal;
    const book = new Book({ chatId, hostId: "host", ledger, clock, log: silent, hurry, onFailure });
    const { lease, record } = await book.open();
    const entry = acceptedEntry(await accepted(ledger, chatId, "Hello"), null, 0);
    const told: string[] = [];
    const serve = async () => {
      const launches: Launch[] = [];
      const claude: Claude = {
        isDirect: false,
        launch(launch) {
          launches.push(launch);
          const nothing = async () => {};
          const rest = { compact() {}, note() {}, send() {}, activity: () => null };
          return {
            ...{ generation: launch.generation, pid: 1, ...rest },
            ...{ warm: nothing, interrupt: nothing, ping: nothing, close: nothing, kill: nothing },
          };
        },
      };
      const { generation } = await book.write((on) => on.beginProcess(lease, record.id, "message"));
      const tell = (what: string) => () => void told.push(`${generation}: ${what}`);
      const serving = new Serving({
        ...{
          generation,
          policy,
          spare: null,
          continuation: null,
          compact: false,
          book,
          claude,
          gateway,
          approvals: new Approvals({ ledger, clock, waitMs: 60_000, chatId: null }),
          clock,
        },
        home: folder,
        tenant: { untilNext: null, isLeaving: false, yieldSlot() {} },
        ground: {
          ...{ space: spaceOf(folder, record.id), sdkSessionId: record.id, transcript: null },
          ...{ costSoFarUsd: 0, did: "nothing", lost: false, suspect: false },
        },
        ...{ onReady: tell("ready"), onText: tell("text"), onEnd: tell("end"), onDropped: tell("dropped") },
        ...{
          onPoisoned: () => {},
          onTooLong: tell("too long"),
          onTurnEnded: tell("turn ended"),
          onHeld: tell("held"),
        },
        ...{ onCompacted: tell("compacted"), mayAsk: () => true, onUsage: tell("usage") },
      });
      const [launch] = launches;
      assert.ok(launch !== undefined);
      /** Charged and handed over, as the session does it. */
      const handOver = async () => {
        const sdkUuid = randomUUID();
        entry.tries.push(sendOf(sdkUuid, generation));
        await book.write((on) =>
          on.charge(lease, generation, [{ messageId: entry.message.id, ...sendOf(sdkUuid, generation) }]),
        );
        serving.handOver([entry], "{}", () => ["Hello"]);
        return sdkUuid;
      };
      return { serving, launch, handOver };
    };
    return { chatId, book, lease, entry, told, serve };
  }

  const kinds = [
    "ready",
    "taken",
    "dropped",
    "text",
    "tool",
    "waiting",
    "compacted",
    "done",
    "failed",
    "gone",
  ];
  const late = fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 8 });

  function eventOf(kind: string, sdkUuid: string, sdkSessionId: string): ClaudeEvent {
    const end = { sdkSessionId, usage };
    const events: Record<string, ClaudeEvent> = {
      ready: { type: "ready", version: "1" },
      taken: { type: "taken", sdkUuid },
      dropped: { type: "dropped", sdkUuid },
      text: { type: "text", offset: 0, text: "late" },
      tool: { type: "tool", toolUseId: "t", name: "Bash", state: "finished" },
      waiting: { type: "waiting", for: "model" },
      compacted: { type: "compacted", outcome: "done" },
      done: { type: "done", text: "late", ...end },
      failed: { type: "failed", code: "late", message: "late", interrupted: false, ...end },
      gone: { type: "gone", reason: "late", stderr: "", unresumable: true },
    };
    return events[kind] ?? assert.fail();
  }

  it("never touches its successor, whatever it is and whatever that one does", async () => {
    await fc.assert(
      fc.asyncProperty(late, fc.boolean(), async (kinds, hadTaken) => {
        const { chatId, book, lease, entry, told, serve } = await chat();
        const first = await serve();
        first.launch.onEvent({ type: "ready", version: "1" });
        const before = await first.handOver();
        if (hadTaken) first.launch.onEvent({ type: "taken", sdkUuid: before });
        first.launch.onEvent({ type: "gone", reason: "killed", stderr: "", unresumable: false });
        const { turn } = await first.serving.over;
        assert.equal(turn !== null, hadTaken);
        if (turn !== null) {
          const nothing = { reply: null, proven: null, usage: null, requestAt: null, firstByteAt: null };
          const cut = {
            turnId: turn.id,
            messageIds: [entry.message.id],
            endings: [],
            notices: [],
            ...nothing,
          };
          await book.write((on) => on.endTurn(lease, { ...cut, outcome: "cut" }));
        }
        await book.write((on) => on.requeue(lease, [entry.message.id], "lost"));

        const second = await serve();
        second.launch.onEvent({ type: "ready", version: "1" });
        const now = await second.handOver();
        await book.settled();
        const [written, heard, phase] = [await ledger.lastSeq(), told.length, entry.phase];
        for (const kind of kinds) {
          first.launch.onEvent(eventOf(kind, before, "late"));
          first.launch.onEvent(eventOf(kind, now, "late"));
        }
        const call = { toolUseId: "late", name: "Bash", input: {} };
        assert.equal(await first.launch.beforeTool(call), "No turn of Switchboard runs.");
        await book.settled();
        assert.deepEqual([await ledger.lastSeq(), told.length, entry.phase], [written, heard, phase]);
        assert.equal(second.serving.state, "busy");

        // And the successor's own words still count.
        second.launch.onEvent({ type: "taken", sdkUuid: now });
        second.launch.onEvent({ type: "done", text: "Hi", sdkSessionId: second.serving.sessionId, usage });
        await book.settled();
        const [message, reply] = await ledger.history(chatId, { limit: 10, order: "oldest" });
        assert.ok(message !== undefined && "tries" in message && reply !== undefined && "answers" in reply);
        assert.deepEqual([message.status, message.tries, reply.text], ["answered", 2, "Hi"]);
      }),
      { numRuns: 50 },
    );
  });
});
