import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { type Ledger, LedgerError, type Message } from "../../src/ledger/index.ts";
import { accepted, admitted, inbound, rejects, withFolder, withLedger, withLedgerAt } from "./support.ts";

const run = promisify(execFile);
const text = "x".repeat(5000);

/** Accepts messages until one is refused for want of room. */
async function fill(ledger: Ledger): Promise<Message[]> {
  const messages: Message[] = [];
  while (messages.length < 1000) {
    try {
      messages.push(await accepted(ledger, "a", text));
    } catch (error) {
      assert.ok(error instanceof LedgerError, `${error}`);
      assert.equal(error.code, "storage_full", error.message);
      return messages;
    }
  }
  return assert.fail("it never gets full");
}

async function holds(ledger: Ledger, messages: Message[]): Promise<void> {
  assert.equal((await ledger.chat("a"))?.open, messages.length);
  for (const message of messages) assert.deepEqual(await ledger.message(message.id), message);
}

describe("sqlite: no room", () => {
  it("refuses what does not fit, changes nothing, and keeps what was accepted", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      let messages: Message[] = [];
      await withLedgerAt({ path, maxBytes: 400_000 }, async (ledger) => {
        messages = await fill(ledger);
        assert.ok(messages.length > 10);
        const last = await ledger.lastSeq();
        let heard = 0;
        ledger.onCommit((events) => {
          heard += events.length;
        });

        const refused = Array.from({ length: 20 }, () => inbound("b", text));
        const results = refused.map((message) => ledger.accept(message, admitted));
        for (const result of results) await rejects(result, "storage_full", new RegExp(`${path}.* full`));
        assert.equal(await ledger.chat("b"), null);
        for (const { id } of refused) assert.equal(await ledger.message(id), null);
        assert.equal(await ledger.lastSeq(), last);
        assert.equal(heard, 0);
        await holds(ledger, messages);
      });

      await withLedgerAt({ path, maxBytes: 800_000 }, async (ledger) => {
        await holds(ledger, messages);
        messages.push(await accepted(ledger, "a", text));
        await holds(ledger, messages);
      });
    }));

  it("is met by a whole batch together, when SQLite gives up its transaction", () =>
    withLedger(
      async (ledger) => {
        const results = [text, text.repeat(200), text].map((one) =>
          ledger.accept(inbound("a", one), admitted),
        );
        for (const result of results) await rejects(result, "storage_full");
        assert.equal(await ledger.chat("a"), null);
        await accepted(ledger, "a", text);
      },
      { maxBytes: 400_000 },
    ));

  it("is over as soon as a really full disk has room again", async (t) => {
    await withFolder(async (folder) => {
      const disk = join(folder, "disk");
      await mkdir(disk);
      try {
        await run("mount", ["-t", "tmpfs", "-o", "size=1m", "switchboard-test", disk]);
      } catch (error) {
        t.skip(`no tmpfs can be mounted here: ${error}`);
        return;
      }
      try {
        const path = join(disk, "ledger.db");
        let messages: Message[] = [];
        await withLedgerAt({ path }, async (ledger) => {
          messages = await fill(ledger);
          await holds(ledger, messages);
          await rejects(accepted(ledger, "a", text), "storage_full");
          await run("mount", ["-o", "remount,size=8m", disk]);
          messages.push(await accepted(ledger, "a", text));
          await holds(ledger, messages);
        });
        await withLedgerAt({ path }, (ledger) => holds(ledger, messages));
      } finally {
        await run("umount", ["--lazy", disk]);
      }
    });
  });
});
