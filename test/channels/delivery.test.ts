import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { AfterCrash, SendResult } from "../../src/channels/channel.ts";
import {
  backoffMs,
  type DeliveryPolicy,
  decide,
  nextStep,
  type Outcome,
  type Outgoing,
} from "../../src/channels/delivery.ts";

const hour = 3_600_000;

/** What may become of an attempt; `died`: nobody was there to record it. */
type End = SendResult | { kind: "died" };

const ends = fc.oneof(
  fc.constant<End>({ kind: "sent" }),
  fc.constant<End>({ kind: "refused", reason: "no", retry: false }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constant("not now"),
    retry: fc.constant(true),
    afterMs: fc.oneof(fc.constant(0), fc.nat(30 * hour), fc.constant(Number.MAX_VALUE)),
  }),
  fc.constant<End>({ kind: "unknown", reason: "silence" }),
  fc.constant<End>({ kind: "died" }),
);
const failures = ends.filter(({ kind }) => kind !== "sent");
const policies = fc.record<DeliveryPolicy>({
  afterCrash: fc.constantFrom<AfterCrash>("resend", "mark", "hold"),
  expireMs: fc.integer({ min: 1, max: 48 * hour }),
});
const jitters = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

interface Attempt {
  at: number;
  end: End;
  mayBeDouble: boolean;
}

/** A reply's whole life by the rules, one end after the other; the last one again and again. */
function live(policy: DeliveryPolicy, ends: readonly End[], jitter: number, created = 0) {
  let reply: Outgoing = {
    status: "pending",
    attempts: 0,
    dueAt: created,
    pauseMs: 0,
    error: null,
    createdAt: created,
  };
  const attempts: Attempt[] = [];
  let now = created;
  const record = (outcome: Outcome) => {
    const pauseMs = outcome.status === "pending" ? outcome.delayMs : null;
    const dueAt = pauseMs === null ? null : now + pauseMs;
    const error = outcome.status === "sent" ? null : outcome.error;
    reply = { ...reply, status: outcome.status, dueAt, pauseMs, error };
  };
  while (reply.status === "pending" || reply.status === "sending") {
    const step = nextStep(reply, policy, now, jitter);
    if (step.do === "wait") now += step.ms;
    else if (step.do === "record") record(step.delivery);
    else {
      const end = ends[Math.min(attempts.length, ends.length - 1)];
      assert.ok(end !== undefined);
      attempts.push({ at: now, end, mayBeDouble: step.mayBeDouble });
      // The ledger forgets why an earlier attempt failed as soon as the next one begins.
      const before = { ...reply, attempts: reply.attempts + 1 };
      reply = { ...before, status: "sending", dueAt: null, pauseMs: null, error: null };
      if (end.kind !== "died") record(decide(before, end, policy, jitter));
    }
  }
  return { reply, attempts, endedAt: now };
}

const lives = fc.tuple(policies, fc.array(ends, { minLength: 1, maxLength: 12 }), jitters);
const failingLives = fc.tuple(policies, fc.array(failures, { minLength: 1, maxLength: 12 }), jitters);

/** Whether nobody can tell that it did not go out. */
function isDoubtful({ end }: Attempt): boolean {
  return end.kind === "unknown" || end.kind === "died";
}

describe("a reply's delivery", () => {
  it("ends, and as sent only if the channel said so", () => {
    fc.assert(
      fc.property(lives, ([policy, ends, jitter]) => {
        const { reply, attempts } = live(policy, ends, jitter);
        assert.equal(reply.status === "sent", attempts.at(-1)?.end.kind === "sent");
        assert.equal(attempts.findIndex(({ end }) => end.kind === "sent") === -1, reply.status !== "sent");
      }),
    );
  });

  it("is called failed only if it certainly did not go out, else uncertain", () => {
    fc.assert(
      fc.property(failingLives, ([policy, ends, jitter]) => {
        const { reply, attempts } = live(policy, ends, jitter);
        assert.equal(reply.status, attempts.some(isDoubtful) ? "uncertain" : "failed");
      }),
    );
  });

  it("makes no attempt after the time is over, and makes some until then", () => {
    fc.assert(
      fc.property(policies, jitters, fc.nat(1e12), (policy, jitter, created) => {
        const away: End = { kind: "refused", reason: "nobody is there", retry: true };
        const { reply, attempts, endedAt } = live(policy, [away], jitter, created);
        assert.deepEqual([reply.status, reply.error?.code], ["failed", "expired"]);
        assert.equal(endedAt, created + policy.expireMs);
        assert.ok((attempts.at(-1)?.at ?? 0) >= endedAt - backoffMs.most);
        assert.ok(attempts.every(({ at }) => at < endedAt));
      }),
      { numRuns: 30 },
    );
  });

  it("tells at its end why it did not come through", () => {
    const policy: DeliveryPolicy = { afterCrash: "resend", expireMs: hour };
    const { reply } = live(policy, [{ kind: "refused", reason: "nobody is there", retry: true }], 0);
    assert.equal(reply.error?.message, "It could not be delivered within 3600 s (at last: nobody is there).");
  });

  it("never sends again what may have gone out by a channel that holds", () => {
    fc.assert(
      fc.property(failingLives, ([policy, ends, jitter]) => {
        const { attempts } = live({ ...policy, afterCrash: "hold" }, ends, jitter);
        assert.ok(attempts.slice(0, -1).every((attempt) => !isDoubtful(attempt)));
      }),
    );
  });

  it("marks each attempt after one in doubt, for a channel that marks and no other", () => {
    fc.assert(
      fc.property(lives, ([policy, ends, jitter]) => {
        const { attempts } = live(policy, ends, jitter);
        for (const [n, { mayBeDouble }] of attempts.entries()) {
          const doubted = attempts.slice(0, n).some(isDoubtful);
          assert.equal(mayBeDouble, policy.afterCrash === "mark" && doubted);
        }
      }),
    );
  });

  it("pauses for 1 to 2 s first, then for longer and longer, and for 5 minutes at most", () => {
    fc.assert(
      fc.property(fc.array(jitters, { minLength: 12, maxLength: 12 }), (jitter) => {
        const policy: DeliveryPolicy = { afterCrash: "resend", expireMs: 24 * hour };
        const pauses = jitter.map((jitter, n) => {
          const tried: Outgoing = {
            status: "sending",
            attempts: n + 1,
            dueAt: null,
            pauseMs: null,
            error: null,
            createdAt: 0,
          };
          const outcome = decide(tried, { kind: "refused", reason: "no", retry: true }, policy, jitter);
          assert.ok(outcome.status === "pending");
          return outcome.delayMs;
        });
        const [first = 0] = pauses;
        assert.ok(first >= backoffMs.least && first <= 2 * backoffMs.least);
        for (const [n, pause] of pauses.entries()) {
          assert.ok(pause >= Math.min(pauses[n - 1] ?? 0, backoffMs.most / 2) && pause <= backoffMs.most);
        }
        assert.ok((pauses.at(-1) ?? 0) >= backoffMs.most / 2);
      }),
    );
  });

  it("waits at least as long as the channel asks for, and no longer than it has time", () => {
    const policy: DeliveryPolicy = { afterCrash: "resend", expireMs: 24 * hour };
    const busy = (afterMs: number): End => ({ kind: "refused", reason: "busy", retry: true, afterMs });
    const { attempts } = live(policy, [busy(hour), { kind: "sent" }], 0);
    assert.deepEqual(
      attempts.map(({ at }) => at),
      [0, hour],
    );
    const tried: Outgoing = {
      status: "sending",
      attempts: 1,
      dueAt: null,
      pauseMs: null,
      error: null,
      createdAt: 0,
    };
    const outcome = decide(
      tried,
      { kind: "refused", reason: "busy", retry: true, afterMs: 1e300 },
      policy,
      0,
    );
    assert.ok(outcome.status === "pending" && outcome.delayMs === policy.expireMs);
  });

  it("makes one attempt when a retry is asked for, however old it is", () => {
    const policy: DeliveryPolicy = { afterCrash: "resend", expireMs: hour };
    const asked: Outgoing = {
      status: "pending",
      attempts: 0,
      dueAt: 100 * hour,
      pauseMs: 0,
      error: null,
      createdAt: 0,
    };
    assert.equal(nextStep(asked, policy, 100 * hour, 0).do, "send");
    const again: Outgoing = { ...asked, attempts: 1, dueAt: 100 * hour + 1000, pauseMs: 1000 };
    const step = nextStep(again, policy, 100 * hour, 0);
    assert.ok(step.do === "record" && step.delivery.status === "failed");
  });

  it("never waits for longer than the pause that was reckoned, however far the clock was set back since", () => {
    const waits = fc.record({
      pauseMs: fc.nat(hour),
      setBackMs: fc.nat(1000 * hour),
      waitedMs: fc.nat(hour),
    });
    fc.assert(
      fc.property(waits, ({ pauseMs, setBackMs, waitedMs }) => {
        const policy: DeliveryPolicy = { afterCrash: "resend", expireMs: 24 * hour };
        const reckonedAt = 2000 * hour;
        const dueAt = reckonedAt + pauseMs;
        const reply: Outgoing = {
          status: "pending",
          attempts: 1,
          dueAt,
          pauseMs,
          error: null,
          createdAt: reckonedAt,
        };
        const step = nextStep(reply, policy, reckonedAt + waitedMs - setBackMs, 0);
        const ms = step.do === "wait" ? step.ms : 0;
        assert.ok(ms <= pauseMs);
        if (setBackMs === 0) assert.equal(ms, Math.max(0, pauseMs - waitedMs));
      }),
    );
  });
});
