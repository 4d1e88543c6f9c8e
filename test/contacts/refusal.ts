import assert from "node:assert/strict";
import { type ErrorCode, SwitchboardError } from "../../src/errors.ts";

export interface Refusal {
  code: ErrorCode;
  field: string;
  text: RegExp;
  hint?: string;
}

/** Asserts that `attempt` is refused with exactly this code, field and hint, and with such a text. */
export function refused(attempt: () => unknown, { code, field, text, hint }: Refusal): void {
  assert.throws(attempt, (error) => {
    assert.ok(error instanceof SwitchboardError, `${error}`);
    assert.deepEqual({ code: error.code, field: error.field, hint: error.hint }, { code, field, hint });
    assert.match(error.message, text);
    return true;
  });
}
