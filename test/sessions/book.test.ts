import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setImmediate as settle } from "node:timers/promises";
import fc from "fast-check";
import { type Ledger, LedgerError, type LedgerErrorCode, openSqliteLedger } from "../../src/ledger/index.ts";
import { type Logger, silent } from "../../src/log.ts";
import { Book } from "../../src/sessions/book.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "./manual-clock.ts";

let folder: string;
let sqlite: Ledger;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "switchboard-book-"));
  sqlite = await openSqliteLedger({ path: join(folder, "switchboard.db") });
});
after(async () => {
  await sqlite.close();
  await rm(folder, { recursive: true });
});

/** The book of a new chat, and what happens around it. */
async function session(changes: Partial<Ledger> = {}) {
  const chatId = `test:${randomUUID()}`;
  await sqlite.putContact(chatId, { name: "John", tier: "family" }, "john");
  const clock = new ManualClock();
  const hurry = new AbortController();
  const warnings: object[] = [];
  const failures: unknown[] = [];
  const log: Logger = { ...silent, warn: (fields) => warnings.push(fields) };
  const options = {
    chatId,
    hostId: "host",
    ledger: { ...sqlite, ...changes },
    clock,
    log,
    hurry: hurry.signal,
    onFailure: (error: unknown) => failures.push(error),
  };
  return { chatId, clock, hurry, warnings, failures, options, book: new Book(options) };
}

/** Work that fails so many times before it succeeds. */
function failing(times: number, code: LedgerErrorCode): () => Promise<string> {
  let left = times;
  return async () => {
    if (left-- > 0) throw new LedgerError(code, `no ${code}`);
    return "written";
  };
}

describe("a session's book", { timeout: 30_000 }, () => {
  it("is opened once, and then knows the lease, the record, the name and the contact", async () => {
    const { book, chatId } = await session();
    assert.equal(book.page, null);
    assert.throws(() => book.known, /not open/);
    const [page, again] = await Promise.all([book.open(), book.open()]);
    assert.equal(again, page);
    assert.equal(book.known, page);
    const chat = (await sqlite.chat(chatId)) ?? assert.fail();
    assert.deepEqual(page, {
      lease: { chatId, epoch: page.lease.epoch },
      name: chat.sessionName,
      contact: { name: "John", tier: "family", group: false, queueMode: null },
      record: chat.session,
      unprovenSessionId: null,
      times: [],
    });
    for (const at of [1, 2, 3, 4, 5]) book.noteTime(at);
    assert.deepEqual(page.times, [2, 3, 4, 5]);
  });

  it("is opened by its first write, also when the storage is full at first", async () => {
    let full = true;
    const acquire: Ledger["acquire"] = async (...args) => {
      if (full) throw new LedgerError("storage_full", "full");
      return await sqlite.acquire(...args);
    };
    const { book, clock } = await session({ acquire });
    const written = book.write(async (_, lease) => lease.epoch);
    await eventually("the wait for room on the disk", () => clock.timers === 1);
    full = false;
    clock.advance(1000);
    assert.equal(await written, book.known.lease.epoch);
  });

  it("writes nothing for a chat that another host holds", async () => {
    const { book } = await session({ acquire: async () => ({ heldBy: "the other" }) });
    await assert.rejects(book.write(failing(0, "closed")), /held by host the other/);
  });

  it("writes nothing any more when the chat has been acquired since", async () => {
    const { book, options } = await session();
    await book.open();
    await new Book(options).open();
    const change = { type: "notice", code: "x", text: "too late" } as const;
    await assert.rejects(
      book.write((ledger, lease) => ledger.append(lease, [change])),
      { code: "stale_epoch" },
    );
  });

  it("carries out one write after the other, in the order asked for, whatever becomes of each", async () => {
    const write = fc.record({ ticks: fc.nat(3), fails: fc.boolean() });
    const { book } = await session();
    await book.open();
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 8 }), async (all) => {
        const trace: string[] = [];
        const results = all.map(({ ticks, fails }, at) =>
          book.write(async () => {
            trace.push(`${at} begins`);
            for (let tick = 0; tick < ticks; tick++) await settle();
            trace.push(`${at} ends`);
            if (fails) throw new Error(`${at}`);
          }),
        );
        const settled = await Promise.allSettled(results);
        assert.deepEqual(
          trace,
          all.flatMap((_, at) => [`${at} begins`, `${at} ends`]),
        );
        assert.deepEqual(
          settled.map(({ status }) => status),
          all.map(({ fails }) => (fails ? "rejected" : "fulfilled")),
        );
      }),
      { numRuns: 50 },
    );
  });

  for (const code of ["storage_full", "storage_busy"] as const) {
    it(`waits while the storage says ${code}, looks once a second, and holds the writes behind`, async () => {
      const { book, clock, warnings } = await session();
      await book.open();
      const done: string[] = [];
      const first = book.write(failing(2, code)).then((result) => done.push(result));
      const second = book.write(async () => done.push("second"));
      for (let attempt = 1; attempt <= 2; attempt++) {
        await settle();
        assert.deepEqual(done, []);
        assert.equal(warnings.length, attempt);
        clock.advance(999);
        await settle();
        assert.equal(warnings.length, attempt);
        clock.advance(1);
      }
      await Promise.all([first, second]);
      assert.deepEqual(done, ["written", "second"]);
      assert.deepEqual(warnings, [{ code }, { code }]);
    });
  }

  for (const code of ["stale_epoch", "invalid", "storage_failed", "closed"] as const) {
    it(`does not try again after ${code}`, async () => {
      const { book, clock } = await session();
      await assert.rejects(book.write(failing(1, code)), { code });
      assert.equal(clock.timers, 0);
    });
  }

  it("gives up in a hurry: at once, after one more try", async () => {
    const { book, clock, hurry } = await session();
    let tries = 0;
    const write = book.write(async () => {
      // Bounded, so that one that never gives up is a failure and not a hang.
      if (++tries <= 10) throw new LedgerError("storage_full", "full");
    });
    await eventually("the wait for room on the disk", () => clock.timers === 1);
    hurry.abort();
    await assert.rejects(write, { code: "storage_full" });
    assert.equal(tries, 2);
    assert.equal(clock.timers, 0);
  });

  it("is settled when all is done, failed writes and those asked for meanwhile too", async () => {
    const { book, failures } = await session();
    const { promise, resolve } = Promise.withResolvers<void>();
    const done: string[] = [];
    book.later(async () => {
      await promise;
      done.push("slow");
      book.later(async () => done.push("asked for meanwhile"));
    });
    book.later(failing(1, "invalid"));
    const settled = book.settled().then(() => done.push("settled"));
    await settle();
    assert.deepEqual(done, []);
    resolve();
    await settled;
    assert.deepEqual(done, ["slow", "asked for meanwhile", "settled"]);
    assert.deepEqual(failures, [new LedgerError("invalid", "no invalid")]);
  });

  it("is settled when there was nothing to write", async () => {
    await (await session()).book.settled();
  });

  it("keeps notes in their place among the writes", async () => {
    const { book, chatId } = await session();
    const before = await sqlite.lastSeq();
    const codes = ["first", "second", "third"];
    for (const code of codes) book.note({ type: "notice", code, text: "" });
    await book.settled();
    const events = await sqlite.changes(before, { chatId, limit: 10 });
    assert.deepEqual(
      events.flatMap((event) => (event.type === "notice" ? event.code : [])),
      codes,
    );
  });
});
