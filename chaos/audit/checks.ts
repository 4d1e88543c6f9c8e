/** The checks by their names. Each is a pure function of the evidence. */

import type { Case } from "./case.ts";
import { acceptedIsStored, acceptOrder, onePerId } from "./checks/acceptance.ts";
import { callsRecorded, noForeignNonce, oncePerRequest, remembered } from "./checks/conversation.ts";
import { charged, daemonStands, neverSilent, notGivenUpEarly, oneEnd } from "./checks/endings.ts";
import { nothingLeft, oneProcess } from "./checks/processes.ts";
import { answerDelivered, oneAnswer, ownAnswer } from "./checks/replies.ts";
import type { Violation } from "./violation.ts";

export const checks = {
  "accepted-is-stored": acceptedIsStored,
  "one-per-id": onePerId,
  "accept-order": acceptOrder,
  "one-end": oneEnd,
  "never-silent": neverSilent,
  "gave-up-early": notGivenUpEarly,
  charged,
  "once-per-request": oncePerRequest,
  "no-foreign-nonce": noForeignNonce,
  remembered,
  "calls-recorded": callsRecorded,
  "one-answer": oneAnswer,
  "own-answer": ownAnswer,
  "answer-delivered": answerDelivered,
  "one-process": oneProcess,
  "nothing-left": nothingLeft,
  "daemon-stands": daemonStands,
} satisfies Record<string, (evidence: Case) => Violation[]>;

export type CheckName = keyof typeof checks;

export function audit(evidence: Case): Violation[] {
  return Object.values(checks).flatMap((check) => check(evidence));
}
