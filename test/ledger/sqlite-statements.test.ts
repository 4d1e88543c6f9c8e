import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { describe, it } from "node:test";
import { Database, migrate } from "../../src/ledger/sqlite/database.ts";
import { migrations } from "../../src/ledger/sqlite/migrations.ts";
import { createStore, takeOver } from "../../src/ledger/sqlite/store.ts";
import { admitted, answered, inbound, send, spent, stopped, toolCall, withFolder } from "./support.ts";

/** Remembers the text of every statement that is prepared. */
class Recording extends DatabaseSync {
  readonly statements = new Set<string>();

  override prepare(sql: string): StatementSync {
    this.statements.add(sql);
    return super.prepare(sql);
  }
}

/** Counts the look-ups. */
class Counting extends Database {
  count = 0;

  override get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    this.count += 1;
    return super.get<Row>(sql, ...values);
  }
}

function withStore(
  body: (store: ReturnType<typeof createStore>, connection: Recording, db: Counting) => void,
): Promise<void> {
  return withFolder(async (folder) => {
    const path = join(folder, "ledger.db");
    const connection = new Recording(path);
    const db = new Counting(connection);
    try {
      migrate(db, path, migrations);
      takeOver(db);
      body(createStore(db), connection, db);
    } finally {
      db.close();
    }
  });
}

/** Makes every call of the port at least once, so that every statement has been prepared. */
function makeEveryCall({ reads, writes }: ReturnType<typeof createStore>): void {
  const called = new Set<PropertyKey>();
  const noting = <T extends object>(calls: T): T =>
    new Proxy(calls, {
      get(target, name, receiver) {
        called.add(name);
        return Reflect.get(target, name, receiver);
      },
    });
  const read = noting(reads);
  const write = noting(writes);

  const file = { name: "a", type: "text/plain", bytes: 1, sha256: "d", data: Buffer.from("a") };
  write.accept(inbound("stranger", "hi"), admitted);
  write.dismissPending("stranger");
  write.putContact("a", { tier: "family" }, "john");
  write.putContact("a", { name: "John" }, "john");
  write.putContact("b", { tier: "family" }, "john");
  const acquired = write.acquire("a", "host");
  assert.ok("epoch" in acquired);
  const lease = { chatId: "a", epoch: acquired.epoch };
  const session = write.openSession(lease, "s1");
  const { generation } = write.beginProcess(lease, session.id, "message");
  write.processStarted(lease, generation, 1);
  const accept = (externalId: string) => {
    const claim = { epoch: lease.epoch, generation };
    const acceptance = write.accept(
      inbound("a", "hi", { externalId, channel: "signal", attachments: [file] }),
      admitted,
      {
        claim,
      },
    );
    assert.ok(acceptance.kind === "accepted" || acceptance.kind === "duplicate");
    return acceptance.message;
  };
  const [first, second, third] = [accept("1"), accept("2"), accept("3")];
  accept("1");
  read.attachmentData(first.id);
  write.requeue(lease, [first.id], "lost");
  write.charge(lease, generation, [send(first.id, "u")]);
  write.endMessages(lease, [stopped(second)]);
  write.beginTurn(lease, { id: "t", sessionId: session.id, generation, messageIds: [first.id] });
  write.joinTurn(lease, "t", [second.id]);
  write.beginTool(lease, toolCall("t", "u"));
  write.endTool(lease, "t", "u", "finished");
  const question = {
    id: "q",
    messageId: first.id,
    name: "Bash",
    input: "{}",
    digest: "d",
    reason: "r",
    waitMs: 9000,
    tell: { chatId: "a", text: "May it?" },
  };
  write.askApproval(lease, question);
  write.spend("a", spent());
  write.allowMore("2026-01-31", { scope: { chatId: "a" }, cost: 1 });
  write.decideApproval("q", "approved", "operator");
  write.gauge({ live: 1, waiting: 0, memoryBytes: 1 });
  write.endApproval(lease, "q", "used");
  const proof = { sessionId: session.id, sdkSessionId: "sdk", toldFacts: "John" };
  write.endTurn(lease, answered("t", [first], { proven: proof, endings: [stopped(third)] }));
  const about = { text: "a notice", about: [first.id] };
  write.notify(lease, [{ ...about, id: "to be sent" }]);
  write.deliver("to be sent", { status: "failed", error: { code: "x", message: "y" } });
  write.retryReply("to be sent");
  write.append(lease, [{ type: "notice", code: "x", text: "y" }]);
  write.resetSession(lease, "s2");
  write.undoReset(lease);
  write.processEnded(lease, generation, "idle");
  write.release(lease);
  const theirs = {
    createdAt: null,
    lastMessageAt: null,
    extra: "{}",
    contact: { name: "Ann" },
    sessionName: "ann",
  };
  const proven = { kind: "proven", id: "s3", sdkSessionId: "theirs" } as const;
  const unproven = { kind: "unproven", sessionId: "x" } as const;
  for (const session of [proven, unproven]) {
    write.importChats([{ ...theirs, chatId: `imported as ${session.kind}`, session }]);
    write.importChats([{ ...theirs, chatId: "a", session }]);
  }

  const again = write.acquire("a", "host");
  assert.ok("epoch" in again);
  write.putContact("forgotten", { tier: "family" }, "gone");
  write.processEnded({ chatId: "a", epoch: again.epoch }, generation, "idle");
  write.expire("", { family: { messagesBefore: 1, eventsBefore: 1, conversationsBefore: 1 } });
  write.shrink();
  const rested = write.acquire("imported as proven", "host");
  assert.ok("epoch" in rested);
  const never = Date.now() + 60_000;
  write.expire("", { family: { messagesBefore: never, eventsBefore: never, conversationsBefore: never } });
  write.removeConversations({ chatId: "imported as proven", epoch: rested.epoch }, "s8", never);
  const last = write.acquire("forgotten", "host");
  assert.ok("epoch" in last);
  write.forget({ chatId: "forgotten", epoch: last.epoch });
  write.spaceGone("none");
  read.forgottenSpaces();

  read.chat("a");
  read.chats({ limit: 10 });
  read.portableChats("", 10);
  read.message(first.id);
  read.history("a", { limit: 10 });
  read.history("a", { order: "newest", limit: 10 });
  accept("4");
  read.openMessages("a");
  read.works([first.id]);
  read.acceptTimes("a", 4);
  read.chatsWithOpenMessages("", 10);
  read.renew("host");
  read.processes("a", 10);
  read.turns("a", 10);
  read.toolCalls("a", [first.id]);
  read.spending("2026-01-31");
  read.chatSpending("a", "2026-01-31");
  read.allowances("2026-01-31");
  read.rollups(0);
  read.chatCount();
  read.pendingChat("stranger");
  read.pendingChats(10);
  read.approval("q");
  read.pendingApprovals(10);
  read.channels();
  read.chatsWithReplies("signal", "", 10);
  read.nextReply("signal", "a");
  read.failedReplies("", 10);
  read.changes(0, { limit: 10 });
  read.changes(0, { chatId: "a", limit: 10 });
  read.lastSeq();
  assert.deepEqual(called, new Set([...Object.keys(writes), ...Object.keys(reads)]));
}

describe("sqlite: statements", () => {
  it("find their rows by an index and never walk a table", () =>
    withStore((store, connection) => {
      makeEveryCall(store);
      const walks: string[] = [];
      let explained = 0;
      for (const sql of [...connection.statements]) {
        if (!/^\s*(SELECT|INSERT|UPDATE)/.test(sql) || sql.includes("sqlite_schema")) continue;
        explained += 1;
        for (const { detail } of connection.prepare(`EXPLAIN QUERY PLAN ${sql}`).all()) {
          // The indexes of running processes and turns hold only those: to walk them is to find them.
          // Once, at the start, and only through what is open or was given up.
          if (sql.includes("UNION") && /INDEX|TEMP B-TREE|UNION|COMPOUND|LEFT-MOST/.test(String(detail)))
            continue;
          if (/^SCAN (processes|turns) USING INDEX (processes_running|turns_open)$/.test(String(detail)))
            continue;
          if (/^SCAN|TEMP B-TREE/.test(String(detail))) walks.push(`${detail}: ${sql}`);
        }
      }
      assert.deepEqual(walks, []);
      assert.ok(explained > 40, `${explained} statements`);
    }));

  it("walk no chat's past to find what is open, running or new", () =>
    withStore((store, connection) => {
      makeEveryCall(store);
      const indexes: Array<[statement: RegExp, index: string]> = [
        [/FROM messages WHERE chat_id = \? AND external_id = \?/, "messages_external"],
        [/FROM messages WHERE chat_id = \? AND status IN/, "messages_open"],
        [/FROM messages WHERE messages\.chat_id = chats\.chat_id AND status IN/, "messages_open"],
        [/DISTINCT chat_id FROM messages/, "messages_open"],
        [/FROM sessions WHERE chat_id = \? AND put_aside IS NULL/, "sessions_current"],
        [/FROM sessions WHERE chat_id = \? AND put_aside IS NOT NULL/, "sessions_earlier"],
        [/FROM processes WHERE ended_at IS NULL AND chat_id = \?/, "processes_running"],
        [/FROM turns WHERE ended_at IS NULL AND chat_id = \?/, "turns_open"],
        [/FROM turn_messages[\s\S]*WHERE message_id = \?/, "turn_messages_of_message"],
        [/DISTINCT chat_id FROM replies/, "replies_to_send"],
        [/FROM replies[\s\S]*chat_id = \? ORDER BY seq LIMIT 1/, "replies_to_send"],
        [/FROM replies[\s\S]*AND id > \?/, "replies_undelivered"],
        [/FROM approvals WHERE message_id = \?/, "approvals_of_call"],
        [/FROM approvals WHERE state = 'pending'/, "approvals_pending"],
        [/FROM events e[\s\S]*e\.chat_id = \?/, "events_of_chat"],
        [/FROM chats[\s\S]*ORDER BY active_at/, "chats_by_activity"],
      ];
      const statements = [...connection.statements];
      for (const [statement, index] of indexes) {
        const found = statements.filter((sql) => statement.test(sql));
        assert.ok(found.length > 0, `no statement is like ${statement}`);
        for (const sql of found) {
          const plan = connection.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
          assert.ok(
            plan.some(({ detail }) => String(detail).includes(`${index} (`)),
            `${sql}: ${plan.map(({ detail }) => detail).join("; ")}`,
          );
        }
      }
    }));

  it("are as few for the thousandth contact of a name as for the third", () =>
    withStore(({ writes }, _, db) => {
      const cost = (chatId: string) => {
        const before = db.count;
        writes.putContact(chatId, { name: "John" }, "john");
        return db.count - before;
      };
      let costs: number[] = [];
      db.transaction(() => {
        costs = Array.from({ length: 1000 }, (_, n) => cost(`${n}`));
      });
      assert.equal(costs.at(-1), costs[2]);
    }));
});
