import assert from "node:assert/strict";
import { accepted, admitted, inbound, rejects } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function closingPromises(promise: PromiseTest): void {
  promise("what was asked before the close is done, what comes later is refused", async (ledger, reopen) => {
    const asked = Array.from({ length: 50 }, (_, n) => accepted(ledger, "a", `${n}`));
    const closing = ledger.close();
    await rejects(ledger.accept(inbound("a", "late"), admitted), "closed");
    await rejects(ledger.chat("a"), "closed");
    const messages = await Promise.all(asked);
    await Promise.all([closing, ledger.close()]);
    const again = await reopen();
    assert.equal((await again.chat("a"))?.open, 50);
    for (const message of messages) assert.deepEqual(await again.message(message.id), message);
  });

  promise("the last thing that a listener hears is the end", async (ledger) => {
    const heard: number[] = [];
    ledger.onCommit((events) => heard.push(events.length));
    await accepted(ledger, "a", "hi");
    await ledger.close();
    assert.deepEqual(heard, [2, 0]);
  });
}
