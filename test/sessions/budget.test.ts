import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Account, dayOf, overspent } from "../../src/sessions/budget.ts";

const nothing = { chat: 0, tier: 0, all: 0 };
const unbound = { chat: null, tier: null, all: null };

describe("a budget", () => {
  it("is spent when as much as it allows has been spent, and not before", () => {
    const account = (chat: number): Account => ({
      spent: { ...nothing, chat },
      allowed: nothing,
      budget: { ...unbound, chat: 10 },
    });
    assert.equal(overspent(account(9)), null);
    assert.deepEqual(overspent(account(10)), { whose: "chat", spent: 10, budget: 10 });
    assert.deepEqual(overspent(account(99)), { whose: "chat", spent: 99, budget: 10 });
  });

  it("is the chat's, the tier's and that of all, each with what was allowed to it besides", () => {
    const sum = fc.record({ chat: fc.nat(5), tier: fc.nat(5), all: fc.nat(5) });
    const bound = fc.option(fc.nat(5), { nil: null });
    const bounds = fc.record({ chat: bound, tier: bound, all: bound });
    fc.assert(
      fc.property(sum, sum, bounds, (spent, allowed, budget) => {
        const first = (["chat", "tier", "all"] as const).find((whose) => {
          const most = budget[whose];
          return most !== null && spent[whose] >= most + allowed[whose];
        });
        assert.equal(overspent({ spent, allowed, budget })?.whose, first);
      }),
    );
  });
});

describe("a day", () => {
  it("is that of UTC, and ends with it", () => {
    const next = Date.UTC(2026, 1, 1);
    assert.deepEqual(dayOf(next - 1), { day: "2026-01-31", nextAt: next });
    assert.deepEqual(dayOf(next), { day: "2026-02-01", nextAt: Date.UTC(2026, 1, 2) });
  });
});
