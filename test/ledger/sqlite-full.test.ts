import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { type Ledger, LedgerError, type Message, openSqliteLedger } from "../../src/ledger/index.ts";
import { accepted, admitted, inbound, rejects, withFolder } from "./support.ts";

const run = promisify(execFile);
const text = "x".repeat(5000);

/** Accepts messages until one is refused for want of room. */
async function fill(ledger: Ledger): Promise<Message[]> {
  const messages: Message[] = [];
  for (;;) {
    try {
      messages.push(await accepted(ledger, "a", text));
    } catch (error) {
      assert.ok(error instanceof LedgerError, `${error}`);
      assert.equal(error.code, "storage_full", error.message);
      return messages;
    }
  }
}

async function holds(ledger: Ledger, messages: Message[]): Promise<void> {
  assert.equal((await ledger.chat("a"))?.open, messages.length);
  for (const message of messages) assert.deepEqual(await ledger.message(message.id), message);
}

describe("sqlite: no room", () => {
  it("refuses what does not fit, changes nothing, and keeps what was accepted", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      const capped = await openSqliteLedger({ path, maxBytes: 400_000 });
      const messages = await fill(capped);
      assert.ok(messages.length > 10);
      const last = await capped.lastSeq();
      let heard = 0;
      capped.onCommit((events) => {
        heard += events.length;
      });

      const refused = Array.from({ length: 20 }, () => inbound("b", text));
      const results = refused.map((message) => capped.accept(message, admitted));
      for (const result of results) await rejects(result, "storage_full", new RegExp(`${path}.* full`));
      assert.equal(await capped.chat("b"), null);
      for (const { id } of refused) assert.equal(await capped.message(id), null);
      assert.equal(await capped.lastSeq(), last);
      assert.equal(heard, 0);
      await holds(capped, messages);
      await capped.close();

      const roomy = await openSqliteLedger({ path, maxBytes: 800_000 });
      await holds(roomy, messages);
      messages.push(await accepted(roomy, "a", text));
      await holds(roomy, messages);
      await roomy.close();
    }));

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
        const ledger = await openSqliteLedger({ path });
        const messages = await fill(ledger);
        await holds(ledger, messages);
        await rejects(accepted(ledger, "a", text), "storage_full");
        await run("mount", ["-o", "remount,size=8m", disk]);
        messages.push(await accepted(ledger, "a", text));
        await holds(ledger, messages);
        await ledger.close();
        const reopened = await openSqliteLedger({ path });
        await holds(reopened, messages);
        await reopened.close();
      } finally {
        await run("umount", ["--lazy", disk]);
      }
    });
  });
});
