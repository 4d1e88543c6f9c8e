import assert from "node:assert/strict";
import { allEvents, rejects, spent, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

export function moneyPromises(promise: PromiseTest): void {
  promise("is summed up by day, tier and model, for all and for each chat", async (ledger, reopen) => {
    await work(ledger, "a");
    await work(ledger, "b");
    await ledger.spend("a", spent());
    await ledger.spend("a", spent({ inputTokens: 1, cost: 1 }));
    await ledger.spend("b", spent({ cost: 2 }));
    await ledger.spend("b", spent({ tier: "admin" }));
    await ledger.spend("b", spent({ model: "n" }));
    await ledger.spend("b", spent({ day: "2026-02-01" }));
    const again = await reopen();
    const twice = { outputTokens: 40, cacheWriteTokens: 60, cacheReadTokens: 80 };
    const chat = spent({ ...twice, requests: 2, inputTokens: 11, cost: 5_000_000_000_001 });
    assert.deepEqual(await again.chatSpending("a", "2026-01-31"), [chat]);
    assert.deepEqual(await again.chatSpending("a", "2026-02-01"), []);
    const thrice = { outputTokens: 60, cacheWriteTokens: 90, cacheReadTokens: 120 };
    assert.deepEqual(await again.spending("2026-01-31"), [
      spent({ day: "2026-02-01" }),
      spent({ model: "n" }),
      spent({ ...thrice, requests: 3, inputTokens: 21, cost: 5_000_000_000_003 }),
      spent({ tier: "admin" }),
    ]);
    assert.deepEqual(await again.spending("2026-02-01"), [spent({ day: "2026-02-01" })]);
    await rejects(again.spend("nobody", spent()), "invalid");
  });

  promise("may be more than the budget on a day, for a chat, a tier or all", async (ledger, reopen) => {
    await work(ledger, "a");
    const last = await ledger.lastSeq();
    const day = "2026-01-31";
    await ledger.allowMore(day, { scope: { chatId: "a" }, cost: 1_000_000_000 });
    await ledger.allowMore(day, { scope: { chatId: "a" }, cost: 500_000_000 });
    await ledger.allowMore(day, { scope: { tier: "a" }, cost: 3 });
    await ledger.allowMore(day, { scope: { all: true }, cost: 4 });
    await ledger.allowMore("2026-02-01", { scope: { all: true }, cost: 5 });
    await rejects(ledger.allowMore(day, { scope: { chatId: "nobody" }, cost: 1 }), "invalid");
    assert.deepEqual(
      (await allEvents(ledger, last)).map(
        (event) => event.type === "notice" && [event.chatId, event.code, event.text],
      ),
      [
        ["a", "budget_raised", "1.00 USD more are allowed today."],
        ["a", "budget_raised", "0.50 USD more are allowed today."],
      ],
    );
    assert.deepEqual(await (await reopen()).allowances(day), [
      { scope: { all: true }, cost: 4 },
      { scope: { chatId: "a" }, cost: 1_500_000_000 },
      { scope: { tier: "a" }, cost: 3 },
    ]);
  });
}
