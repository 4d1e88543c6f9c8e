import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Diagnosis,
  diagnose,
  isQuarantined,
  limits,
  type ProcessSnapshot,
  quarantine,
  restartDelayMs,
} from "../../src/sessions/health.ts";

const idleMs = 7_200_000;
const now = 100_000_000;
const well = { missed: 0, worked: false, stopped: false };
/** Busy for long, and nothing open in it. */
const busy: ProcessSnapshot = {
  state: "busy",
  since: 0,
  idleSince: null,
  waiting: null,
  progressAt: 0,
  asking: false,
  tools: [],
  ping: well,
  bytes: null,
};
const mebibytes = (n: number) => n * 2 ** 20;
const bounds = { idleMs, processBytes: mebibytes(1000), processBytesMax: mebibytes(2000) };
const judge = (more: Partial<ProcessSnapshot>): Diagnosis => diagnose({ ...busy, ...more }, now, bounds);

const minutes = (n: number) => n * 60_000;
const tool = (ranMs: number, timeoutMs: number | null = null) => ({ since: now - ranMs, timeoutMs });

/** Each kind of waiting, as long as it may last and no ms longer. */
const waits: ReadonlyArray<{
  what: string;
  for: "start" | "model" | "tool" | "compaction";
  after: (ms: number) => Partial<ProcessSnapshot>;
  limit: number;
  remedy: "terminate" | "kill";
}> = [
  {
    what: "a start",
    for: "start",
    after: (ms) => ({ state: "starting", since: now - ms }),
    limit: minutes(1),
    remedy: "kill",
  },
  {
    what: "a turn that neither asks the model nor runs a tool",
    for: "model",
    after: (ms) => ({ waiting: "model", progressAt: now - ms }),
    limit: minutes(2),
    remedy: "terminate",
  },
  {
    what: "a tool that has declared nothing",
    for: "tool",
    after: (ms) => ({ waiting: "tool", tools: [tool(ms)] }),
    limit: minutes(15),
    remedy: "terminate",
  },
  {
    what: "a tool that has declared 20 minutes",
    for: "tool",
    after: (ms) => ({ waiting: "tool", tools: [tool(ms, minutes(20))] }),
    limit: minutes(21),
    remedy: "terminate",
  },
  {
    what: "a tool that has declared 2 s",
    for: "tool",
    after: (ms) => ({ waiting: "tool", tools: [tool(ms, 2000)] }),
    limit: minutes(1) + 2000,
    remedy: "terminate",
  },
  {
    what: "the slowest of several tools",
    for: "tool",
    after: (ms) => ({ waiting: "tool", tools: [tool(0), tool(ms), tool(minutes(20), minutes(60))] }),
    limit: minutes(15),
    remedy: "terminate",
  },
  {
    what: "a compaction",
    for: "compaction",
    after: (ms) => ({ waiting: "compaction", progressAt: now - ms }),
    limit: minutes(10),
    remedy: "terminate",
  },
];

describe("a process that waits", () => {
  for (const { what, after, limit, remedy, for: reason } of waits) {
    it(`for ${what} may do so for ${limit / 1000} s, and is sick then`, () => {
      assert.deepEqual(judge(after(limit - 1)), { verdict: "waiting", for: reason });
      const sick = judge(after(limit));
      assert.deepEqual([sick.verdict, "remedy" in sick && sick.remedy], ["sick", remedy]);
    });
  }

  it("is not blamed for the model while the gateway has its request, however long that takes", () => {
    for (const waiting of ["model", "compaction"] as const) {
      const asking = judge({ waiting, asking: true, progressAt: 0 });
      assert.deepEqual(asking, { verdict: "waiting", for: waiting });
    }
  });

  it("is not blamed for what runs beside that which it waits for", () => {
    assert.equal(judge({ waiting: "tool", progressAt: 0, tools: [tool(1)] }).verdict, "waiting");
    assert.equal(judge({ waiting: "model", progressAt: now, tools: [tool(minutes(60))] }).verdict, "waiting");
  });

  it("is healthy when its turn waits for nothing of its own", () => {
    assert.deepEqual(judge({}), { verdict: "healthy" });
  });
});

describe("a process that does not answer", () => {
  const missed = (missed: number, worked = false) => ({ ping: { ...well, missed, worked } });
  const hung = { verdict: "sick", reason: "it does not answer", remedy: "kill" };

  it("is hung when it has missed two pings and did not use the processor meanwhile", () => {
    assert.deepEqual(judge(missed(1)), { verdict: "healthy" });
    assert.deepEqual(judge(missed(2)), hung);
    assert.deepEqual(judge(missed(2, true)), { verdict: "healthy" });
  });

  it("is hung whatever it waits for, and when it was idle for long", () => {
    assert.deepEqual(judge({ ...missed(2), waiting: "tool", tools: [tool(1)] }), hung);
    assert.deepEqual(judge({ ...missed(2), waiting: "model", asking: true, progressAt: now }), hung);
    assert.deepEqual(judge({ ...missed(2), state: "idle", idleSince: 0 }), hung);
  });

  it("is given 60 s from its start, and what it waits for counts meanwhile", () => {
    const young = { ...missed(5), since: now - minutes(1) + 1 };
    assert.deepEqual(judge(young), { verdict: "healthy" });
    assert.deepEqual(judge({ ...young, state: "starting" }), { verdict: "waiting", for: "start" });
    assert.deepEqual(judge({ ...young, since: now - minutes(1) }), hung);
  });

  it("is found within 30 s", () => {
    assert.ok(2 * (10_000 + limits.ping) <= 30_000);
  });

  it("is sick at once when it was stopped by a signal, also while it starts and with a request under way", () => {
    const stopped = { verdict: "sick", reason: "it is stopped (state T)", remedy: "kill" };
    const ping = { missed: 1, worked: false, stopped: true };
    for (const state of ["starting", "idle", "busy"] as const) {
      assert.deepEqual(judge({ ping, state, since: now, asking: true }), stopped);
    }
  });
});

describe("an idle process", () => {
  it("is unused when nothing was open in it for the limit, and not a moment before", () => {
    const idle = (ms: number) => judge({ state: "idle", idleSince: now - ms }).verdict;
    assert.equal(idle(0), "healthy");
    assert.equal(idle(idleMs - 1), "healthy");
    assert.equal(idle(idleMs), "unused");
    assert.equal(judge({ state: "idle", idleSince: null }).verdict, "healthy");
  });
});

describe("a process that takes much memory", () => {
  const verdict = (bytes: number, more: Partial<ProcessSnapshot> = {}) => judge({ bytes, ...more }).verdict;
  const states = [{}, { waiting: "tool", tools: [tool(1)] }, { state: "idle", idleSince: now }] as const;

  it("is closed after its turn above the one limit and killed above the other, and not before", () => {
    for (const state of states) {
      assert.ok(["healthy", "waiting"].includes(verdict(mebibytes(1000), state)));
      assert.equal(verdict(mebibytes(1000) + 1, state), "heavy");
      assert.equal(verdict(mebibytes(2000), state), "heavy");
      assert.equal(verdict(mebibytes(2000) + 1, state), "bloated");
    }
    assert.equal(verdict(mebibytes(2000) + 1, { state: "starting" }), "bloated");
  });

  it("is let finish a compaction, which would only be begun again", () => {
    assert.equal(verdict(mebibytes(1500), { waiting: "compaction", progressAt: now }), "waiting");
    assert.equal(verdict(mebibytes(2500), { waiting: "compaction", progressAt: now }), "bloated");
  });

  it("is told with what it took and what it may", () => {
    assert.deepEqual(judge({ bytes: mebibytes(2500) }), {
      verdict: "bloated",
      reason: "it took 2500 MiB of memory with its tools, and 2000 are allowed",
    });
  });

  it("is sick first of all when it is that, too", () => {
    assert.equal(verdict(mebibytes(1500), { waiting: "model", progressAt: 0 }), "sick");
    assert.equal(verdict(mebibytes(2500), { ping: { ...well, stopped: true } }), "sick");
  });
});

describe("the diagnosis", () => {
  const at = fc.nat(now);
  const snapshots: fc.Arbitrary<ProcessSnapshot> = fc.record({
    state: fc.constantFrom("starting", "idle", "busy"),
    since: at,
    idleSince: fc.option(at),
    waiting: fc.constantFrom(null, "model", "tool", "compaction"),
    progressAt: at,
    asking: fc.boolean(),
    tools: fc.array(fc.record({ since: at, timeoutMs: fc.option(fc.nat(minutes(60))) }), { maxLength: 3 }),
    ping: fc.record({ missed: fc.nat(3), worked: fc.boolean(), stopped: fc.boolean() }),
    bytes: fc.option(fc.nat(mebibytes(1500))),
  });
  const diagnosisOf = (snapshot: ProcessSnapshot, more: Partial<ProcessSnapshot> = {}) =>
    diagnose({ ...snapshot, ...more }, now, bounds);

  it("blames nobody for a turn in which something has just happened", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const tools = snapshot.tools.map((tool) => ({ ...tool, since: now }));
        const fresh = diagnosisOf(snapshot, { state: "busy", progressAt: now, tools, ping: well });
        assert.notEqual(fresh.verdict, "sick");
      }),
    );
  });

  it("is not made better by chatter: an answer to a ping is no progress of the turn", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const quiet = diagnosisOf(snapshot, { ping: { ...snapshot.ping, stopped: false } });
        if (quiet.verdict !== "sick" || quiet.reason === "it does not answer") return;
        assert.deepEqual(diagnosisOf(snapshot, { ping: well }), quiet);
      }),
    );
  });

  it("of a sick process does not pass with time", () => {
    fc.assert(
      fc.property(snapshots, fc.nat(minutes(600)), (snapshot, later) => {
        if (diagnosisOf(snapshot).verdict !== "sick") return;
        assert.equal(diagnose(snapshot, now + later, bounds).verdict, "sick");
      }),
    );
  });

  it("closes as unused only what is idle, and never what is sick", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const { verdict } = diagnosisOf(snapshot);
        if (verdict === "unused") assert.equal(snapshot.state, "idle");
        if (snapshot.ping.stopped) assert.equal(verdict, "sick");
      }),
    );
  });

  it("kills what cannot react, and asks the others to end", () => {
    fc.assert(
      fc.property(snapshots, (snapshot) => {
        const diagnosis = diagnosisOf(snapshot);
        if (diagnosis.verdict !== "sick") return;
        const { stopped, missed, worked } = snapshot.ping;
        const deaf = stopped || snapshot.state === "starting" || (missed >= 2 && !worked);
        if (diagnosis.remedy === "kill") assert.ok(deaf);
        else assert.ok(!stopped && snapshot.state !== "starting");
      }),
    );
  });
});

describe("a session that waits without a process", () => {
  const slot = (ms: number) =>
    diagnose({ state: "none", waiting: "slot", progressAt: now - ms, until: null }, now, bounds);
  const limit = (ms: number) =>
    diagnose({ state: "none", waiting: "limit", progressAt: 0, until: now - ms }, now, bounds);

  it("waits for a slot, and is overdue when its place in the line has not changed for 15 minutes", () => {
    assert.deepEqual(slot(minutes(15) - 1), { verdict: "waiting", for: "slot" });
    assert.equal(slot(minutes(15)).verdict, "overdue");
  });

  it("waits for a limit's end however far away that is, and is overdue 5 minutes after it", () => {
    assert.deepEqual(limit(-minutes(10_000)), { verdict: "waiting", for: "limit" });
    assert.deepEqual(limit(minutes(5) - 1), { verdict: "waiting", for: "limit" });
    assert.equal(limit(minutes(5)).verdict, "overdue");
  });

  it("is left alone for as long as somebody is asked for a yes, or for more budget", () => {
    assert.deepEqual(judge({ waiting: "approval" }), { verdict: "waiting", for: "approval" });
    assert.deepEqual(judge({ waiting: "budget" }), { verdict: "waiting", for: "budget" });
  });
});

describe("the next start", () => {
  it("is at once after no death, then slower each time, up to 30 s", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 6].map(restartDelayMs), [0, 250, 1000, 4000, 16_000, 30_000, 30_000]);
  });

  it("is never further away than 30 s, nor nearer than after one death less", () => {
    fc.assert(
      fc.property(fc.nat(), (deaths) => {
        assert.ok(restartDelayMs(deaths) <= 30_000);
        assert.ok(restartDelayMs(deaths + 1) >= restartDelayMs(deaths));
      }),
    );
  });
});

describe("quarantine", () => {
  const died = (count: number, ago: number) => Array<number>(count).fill(now - ago);

  it("is for a session whose processes died six times within ten minutes", () => {
    assert.deepEqual(quarantine, { deaths: 6, windowMs: minutes(10), restMs: minutes(10) });
    assert.equal(isQuarantined(died(6, minutes(10) - 1), now), true);
    assert.equal(isQuarantined(died(5, 0), now), false);
  });

  it("does not count what died before that", () => {
    assert.equal(isQuarantined([...died(100, minutes(10)), ...died(5, 0)], now), false);
  });
});
