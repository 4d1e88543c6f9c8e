import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ago } from "../../src/cli/print.ts";

describe("how long ago", () => {
  it("is told in a word", () => {
    const now = Date.parse("2026-01-10T12:00:00Z");
    const told = (time: string | null) => ago(time, now);
    assert.deepEqual(
      [
        null,
        "2026-01-10T12:00:01Z",
        "2026-01-10T11:59:01Z",
        "2026-01-10T11:01:00Z",
        "2026-01-10T00:00:00Z",
        "2026-01-01T00:00:00Z",
      ].map(told),
      ["never", "now", "now", "59 min ago", "12 h ago", "9 d ago"],
    );
  });
});
