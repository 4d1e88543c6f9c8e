import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { troubleText } from "../../src/cli/trouble.ts";
import type { TroubleView } from "../../src/views.ts";

describe("what ails the model's API, in a sentence", () => {
  const text = (kind: TroubleView["kind"]) =>
    troubleText({
      kind,
      since: new Date(2026, 0, 10, 9, 5).toISOString(),
      until: new Date(2026, 0, 10, 14, 0).toISOString(),
      message: "the API's words",
    });

  it("says since when, what follows from it and until when, and what the API says", () => {
    assert.match(text("limit"), /usage limit.* since 10 Jan 2026, 09:05; .*wait until 10 Jan 2026, 14:00/);
    assert.match(text("transient"), /tried again, not before 10 Jan 2026, 14:00 \(the API's words\)$/);
    for (const kind of ["authentication", "billing"] as const)
      assert.match(text(kind), /until it is put right/);
  });
});
