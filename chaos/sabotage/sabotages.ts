/**
 * Breaks of the source, each a patch in this folder, with the check that must find it. A check that stays silent on its
 * sabotage proves nothing when it stays silent on the source.
 */

import type { CheckName } from "../audit/checks.ts";

export interface Sabotage {
  /** Of the patch, without `.patch`. */
  readonly name: string;
  readonly check: CheckName;
}

export const sabotages: readonly Sabotage[] = [
  { name: "acknowledged-before-commit", check: "accepted-is-stored" },
  { name: "handed-over-in-reverse", check: "accept-order" },
  { name: "processes-outlive-the-daemon", check: "one-process" },
  { name: "idempotency-ignored", check: "one-per-id" },
  { name: "reply-by-another-way", check: "own-answer" },
  { name: "answer-written-twice", check: "one-answer" },
  { name: "sent-again-whatever-the-transcript-says", check: "once-per-request" },
  { name: "answer-not-recovered", check: "once-per-request" },
  { name: "tries-never-counted", check: "charged" },
  { name: "sent-before-it-is-sent", check: "answer-delivered" },
  { name: "trouble-passed-on", check: "gave-up-early" },
  { name: "calls-half-recorded", check: "calls-recorded" },
  { name: "tree-not-awaited", check: "one-process" },
];
