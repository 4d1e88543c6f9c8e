/**
 * When a reply is sent, and what becomes of it after an attempt. Pure.
 *
 * - What certainly did not go out is sent again, with growing pauses, until it is too old.
 * - What may have gone out is dealt with as its channel says. That doubt stays with the reply: its error keeps the code
 *   `unknown_outcome` through later attempts that fail for another reason.
 * - A reply whose retry was asked for gets one attempt whatever its age.
 */

import type { Delivery, Failure, Reply } from "../ledger/index.ts";
import type { AfterCrash, SendResult } from "./channel.ts";

export interface DeliveryPolicy {
  afterCrash: AfterCrash;
  /** ms from the reply's creation. */
  expireMs: number;
}

/** What the rules look at. */
export type Outgoing = Pick<Reply, "status" | "attempts" | "dueAt" | "pauseMs" | "error" | "createdAt">;

export type Step =
  | { do: "send"; mayBeDouble: boolean }
  /** Nothing for so long. */
  | { do: "wait"; ms: number }
  | { do: "record"; delivery: Outcome };

/** What an attempt can come to. */
export type Outcome = Exclude<Delivery, { status: "sending" }>;

/** ms. The first pause is at least the one, every pause at most the other. */
export const backoffMs = { least: 1000, most: 5 * 60_000 } as const;

const unknownOutcome = "unknown_outcome";

/**
 * What to do with a chat's oldest open reply when no attempt is under way. `now` in ms since the epoch; `jitter` in [0, 1)
 * keeps what failed together from coming again together.
 */
export function nextStep(reply: Outgoing, policy: DeliveryPolicy, now: number, jitter: number): Step {
  if (reply.status === "sending") {
    const reason = "Switchboard ended while the reply was being sent.";
    return { do: "record", delivery: decide(reply, { kind: "unknown", reason }, policy, jitter) };
  }
  const dueAt = reply.dueAt ?? now;
  // What was reckoned by a clock that has been set back since is no longer away than its pause.
  // As long as it is untried, its time runs from when it was first due: a retry may be asked for long after it was made.
  const expiresAt = (reply.attempts === 0 ? dueAt : reply.createdAt) + policy.expireMs;
  if (now >= expiresAt) return { do: "record", delivery: givenUp(reply, expired(reply, policy)) };
  const waitMs = Math.min(dueAt - now, expiresAt - now, reply.pauseMs ?? 0);
  if (waitMs > 0) return { do: "wait", ms: waitMs };
  return { do: "send", mayBeDouble: policy.afterCrash === "mark" && mayHaveGoneOut(reply) };
}

/** What becomes of a reply after its last attempt, which `attempts` counts. */
export function decide(reply: Outgoing, result: SendResult, policy: DeliveryPolicy, jitter: number): Outcome {
  switch (result.kind) {
    case "sent":
      return { status: "sent" };
    case "refused": {
      if (!result.retry) return givenUp(reply, { code: "refused", message: result.reason });
      const error = { code: mayHaveGoneOut(reply) ? unknownOutcome : "not_sent", message: result.reason };
      // Whatever the channel asks for, the reply is looked at again when it is too old.
      const askedMs = Math.min(result.afterMs ?? 0, policy.expireMs);
      return { status: "pending", delayMs: Math.max(backoff(reply.attempts, jitter), askedMs), error };
    }
    case "unknown": {
      const error = { code: unknownOutcome, message: result.reason };
      if (policy.afterCrash === "hold") return { status: "uncertain", error };
      return { status: "pending", delayMs: backoff(reply.attempts, jitter), error };
    }
  }
}

/** ms before the attempt that follows so many: from 1 to 2 s after the first, doubling, to half of the most up to the most. */
function backoff(attempts: number, jitter: number): number {
  const most = Math.min(backoffMs.most, 2 * backoffMs.least * 2 ** (attempts - 1));
  return Math.round((most / 2) * (1 + jitter));
}

function mayHaveGoneOut(reply: Outgoing): boolean {
  return reply.error?.code === unknownOutcome;
}

/** Nobody can say that it failed when an earlier attempt may have gone out. */
function givenUp(reply: Outgoing, error: Failure): Outcome {
  if (!mayHaveGoneOut(reply)) return { status: "failed", error };
  // The doubt stays with it, also for a retry that somebody asks for.
  return { status: "uncertain", error: { ...error, code: unknownOutcome } };
}

function expired({ error }: Outgoing, { expireMs }: DeliveryPolicy): Failure {
  const last = error === null ? "" : ` (at last: ${error.message})`;
  return { code: "expired", message: `It could not be delivered within ${expireMs / 1000} s${last}.` };
}
