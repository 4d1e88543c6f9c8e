import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { TranscriptTurn } from "../../src/claude/index.ts";
import type { TryOutcome } from "../../src/ledger/index.ts";
import {
  type Decision,
  decide,
  lasting,
  maxContinuations,
  maxTries,
  type Unfinished,
} from "../../src/sessions/recovery.ts";

type TryState = Unfinished["tries"][number];

interface Death {
  unfinished: Unfinished[];
  turns: TranscriptTurn[];
}

const ends: fc.Arbitrary<TranscriptTurn["end"]> = fc.constantFrom(
  { kind: "open" },
  { kind: "answered" },
  { kind: "interrupted" },
  { kind: "failed", code: "overloaded", message: "API Error: 529" },
);
const turn = fc.record({ text: fc.string(), progress: fc.nat(3), end: ends });
/** `at`: the turn that the try's uuid stands in; none when there is no such turn. */
const tried = fc.record({
  kind: fc.constantFrom("send", "continue"),
  progress: fc.nat(3),
  outcome: fc.constantFrom<TryOutcome>("lost", "excused"),
  at: fc.nat(5),
});
const message = fc.record({
  tries: fc.array(tried, { minLength: 1, maxLength: 5 }),
  taken: fc.boolean(),
  stopRequested: fc.boolean(),
  again: fc.boolean(),
});

/** Some messages with their tries, merged or alone in turns of each kind, together with others that have their end. */
const deaths: fc.Arbitrary<Death> = fc
  .record({
    messages: fc.array(message, { maxLength: 6 }),
    turns: fc.array(turn, { maxLength: 4 }),
  })
  .map(({ messages, turns }) => {
    const uuid = (of: number, n: number) => `uuid-${of}-${n}`;
    return {
      unfinished: messages.map(({ tries, ...state }, of) => ({
        messageId: `message-${of}`,
        tries: tries.map(({ kind, progress, outcome }, n) => ({
          sdkUuid: uuid(of, n),
          kind,
          progress,
          outcome,
        })),
        ...state,
      })),
      turns: turns.map((each, at) => ({
        ...each,
        members: [
          "somebody-else",
          ...messages.flatMap(({ tries }, of) =>
            tries.flatMap((try_, n) => (try_.at === at ? uuid(of, n) : [])),
          ),
        ],
        before: null,
      })),
    };
  });

function stands({ tries }: Unfinished, { members }: TranscriptTurn): boolean {
  return tries.some(({ sdkUuid }) => members.includes(sdkUuid));
}

/** The last turn that the message stands in. */
function turnOf(message: Unfinished, turns: readonly TranscriptTurn[]): TranscriptTurn | undefined {
  return turns.findLast((turn) => stands(message, turn));
}

/** In a few words, for each message, in the order of the messages. */
function fates({ unfinished }: Pick<Death, "unfinished">, decision: Decision): string[] {
  const fate = new Map<string, string>();
  const note = (id: string, text: string) => {
    assert.ok(!fate.has(id), `${id} is in two places`);
    fate.set(id, text);
  };
  for (const { messageIds, text } of decision.answered) for (const id of messageIds) note(id, `=${text}`);
  for (const id of decision.continued?.messageIds ?? []) note(id, "continued");
  for (const id of decision.sent) note(id, "sent");
  for (const { messageId, status, ran, error } of decision.ended) {
    note(messageId, [status, ran, error?.code].join(" "));
  }
  assert.equal(fate.size, unfinished.length, "nobody else is decided about");
  return unfinished.map(({ messageId }) => fate.get(messageId) ?? assert.fail(`${messageId} is nowhere`));
}

function check(property: (death: Death, decision: Decision) => void): void {
  fc.assert(
    fc.property(deaths, ({ unfinished, turns }) => {
      const decision = decide(unfinished, turns);
      property({ unfinished, turns: [...lasting(unfinished, turns)] }, decision);
    }),
    { numRuns: 1000 },
  );
}

describe("recovery", () => {
  it("puts each message into exactly one place, whatever a death has left", () => {
    check((death, decision) => void fates(death, decision));
  });

  it("never sends what stands in a turn, unless that turn only failed and is left out of the conversation", () => {
    check(({ unfinished, turns }, { sent }) => {
      for (const each of unfinished.filter(({ messageId }) => sent.includes(messageId))) {
        const turn = turnOf(each, turns);
        if (turn === undefined) continue;
        assert.deepEqual([turn.end.kind, turn.progress], ["failed", 0]);
        const last = each.tries.at(-1)?.sdkUuid ?? "";
        assert.ok(each.again || !turn.members.includes(last), "nobody had decided to leave it out");
      }
    });
  });

  it("continues only the last turn, if it is open, with what it has said and achieved", () => {
    check(({ unfinished, turns }, { continued }) => {
      if (continued === null) return;
      const last = turns.at(-1) ?? assert.fail();
      assert.deepEqual(last.end, { kind: "open" });
      assert.deepEqual([continued.text, continued.progress], [last.text, last.progress]);
      assert.ok(continued.messageIds.length > 0);
      for (const id of continued.messageIds) {
        const each = unfinished.find(({ messageId }) => messageId === id) ?? assert.fail();
        assert.equal(turnOf(each, turns), last);
        assert.ok(!each.stopRequested);
      }
    });
  });

  it("takes each answer from its turn once, for all who stand in it", () => {
    check(({ unfinished, turns }, { answered }) => {
      const expected = turns
        .filter(({ end }) => end.kind === "answered")
        .map((turn) => ({
          messageIds: unfinished.flatMap((each) => (turnOf(each, turns) === turn ? each.messageId : [])),
          text: turn.text,
        }))
        .filter(({ messageIds }) => messageIds.length > 0);
      assert.deepEqual(answered, expected);
    });
  });

  it("gives those who share a turn the same fate, but for those that were to be stopped or had their tries", () => {
    check((death, decision) => {
      const all = fates(death, decision);
      const wanted = death.unfinished.map((each, at) => ({ ...each, fate: all[at] ?? "" }));
      for (const [turn, members] of Map.groupBy(wanted, (each) => turnOf(each, death.turns))) {
        if (turn === undefined || (turn.end.kind === "failed" && turn.progress === 0)) continue;
        const open = turn.end.kind === "open";
        const told = new Set(
          members.flatMap(({ stopRequested, fate }) => (open && stopRequested ? [] : fate)),
        );
        if (open && turn === death.turns.at(-1)) told.delete("failed  interrupted");
        assert.ok(told.size <= 1, [...told].join());
      }
    });
  });

  it("stops what was to be stopped, unless its turn had ended before", () => {
    check((death, decision) => {
      for (const [at, fate] of fates(death, decision).entries()) {
        const each = death.unfinished[at] ?? assert.fail();
        const end = turnOf(each, death.turns)?.end.kind ?? "open";
        if (each.stopRequested && end === "open") assert.match(fate, /^stopped (true|false)/);
        if (fate.startsWith("stopped")) assert.ok(each.stopRequested || end === "interrupted");
      }
    });
  });

  it("leaves out only what came to nothing behind the first turn that is open and wanted", () => {
    fc.assert(
      fc.property(deaths, ({ unfinished, turns }) => {
        const left = lasting(unfinished, turns);
        assert.deepEqual(left, turns.slice(0, left.length));
        const last = left.at(-1);
        if (last === undefined) return;
        const isOpen = ({ end }: TranscriptTurn) => end.kind === "open";
        const isVoid = (turn: TranscriptTurn) => isOpen(turn) && turn.progress === 0;
        const isWanted = (turn: TranscriptTurn) =>
          isOpen(turn) && unfinished.some((each) => stands(each, turn));
        assert.ok(left.length === turns.length || isWanted(last));
        assert.ok(turns.slice(left.length).every(isVoid));
        const before = left.slice(0, -1);
        const begun = before.findLastIndex((turn) => !isVoid(turn));
        assert.ok(
          !isVoid(last) || !before.slice(Math.max(begun, 0)).some(isWanted),
          "an earlier one is wanted",
        );
      }),
      { numRuns: 1000 },
    );
  });

  it("of one message depends on who shares its turn, and on which turn is the last: on nothing else", () => {
    const shuffled = deaths.chain((death) =>
      fc
        .shuffledSubarray(death.unfinished, { minLength: death.unfinished.length })
        .map((unfinished) => ({ ...death, unfinished })),
    );
    fc.assert(
      fc.property(shuffled, (death) => {
        const turns = lasting(death.unfinished, death.turns);
        const alone = death.unfinished.flatMap((each) => {
          const turn = turnOf(each, turns);
          const company = death.unfinished.filter(
            (other) => other === each || (turn !== undefined && turnOf(other, turns) === turn),
          );
          company.sort((a, b) => a.messageId.localeCompare(b.messageId));
          return fates({ unfinished: company }, decide(company, turns))[company.indexOf(each)] ?? [];
        });
        assert.deepEqual(fates(death, decide(death.unfinished, death.turns)), alone);
      }),
      { numRuns: 1000 },
    );
  });
});

/** What happens to one message from one death to the next. */
interface Blow {
  /** It had come to stand in the transcript. */
  seen: boolean;
  /** What its turn achieved. */
  gain: number;
  excused: boolean;
}

/** Lets a message live through one blow after the other, until recovery ends it; tells what it had come to by then. */
function live(blows: readonly Blow[]): { ended: boolean; counted: number; continuations: number } {
  const tries: TryState[] = [{ sdkUuid: "uuid-0", kind: "send", progress: 0, outcome: null }];
  let turn: TranscriptTurn | null = null;
  let [counted, continuations] = [0, 0];
  for (const { seen, gain, excused } of blows) {
    const last = tries.at(-1) ?? assert.fail();
    tries[tries.length - 1] = { ...last, outcome: excused ? "excused" : "lost" };
    if (turn === null && seen) {
      turn = { members: [last.sdkUuid], text: "", progress: 0, end: { kind: "open" }, before: null };
    }
    if (turn !== null) turn.progress += gain;
    if (!excused && (last.kind === "send" || gain === 0)) counted += 1;
    if (!excused && last.kind === "continue") continuations += 1;
    const decision = decide(
      [{ messageId: "m", tries, taken: false, stopRequested: false, again: false }],
      turn === null ? [] : [turn],
    );
    if (decision.ended.length > 0) return { ended: true, counted, continuations };
    const progress = decision.continued?.progress ?? 0;
    if (decision.continued === null) {
      tries.push({ sdkUuid: `uuid-${tries.length}`, kind: "send", progress, outcome: null });
    } else {
      tries.push({ sdkUuid: last.sdkUuid, kind: "continue", progress, outcome: null });
    }
  }
  return { ended: false, counted, continuations };
}

describe("the tries of a message", () => {
  const blow = fc.record({
    seen: fc.boolean(),
    gain: fc.constantFrom(0, 1, 1, 1, 7),
    excused: fc.constantFrom(true, false, false, false),
  });
  const lost = { seen: false, gain: 0, excused: false };
  const cut = { seen: true, gain: 0, excused: false };
  const excused = { seen: true, gain: 0, excused: true };
  const working = { seen: true, gain: 1, excused: false };

  it("are three, and up to twenty continuations that achieve something: neither more nor less", () => {
    assert.deepEqual([maxTries, maxContinuations], [3, 20]);
    fc.assert(
      fc.property(fc.array(blow, { maxLength: 60 }), (blows) => {
        const { ended, counted, continuations } = live(blows);
        assert.ok(counted <= maxTries && continuations <= maxContinuations);
        assert.equal(ended, counted === maxTries || continuations === maxContinuations);
      }),
      { numRuns: 1000 },
    );
  });

  it("are used up by deaths before the model read it, and by deaths that let it achieve nothing", () => {
    for (const blow of [lost, cut]) {
      assert.deepEqual(live([blow, blow]), { ended: false, counted: 2, continuations: blow === cut ? 1 : 0 });
      assert.equal(live([blow, blow, blow]).ended, true);
    }
    assert.equal(live([lost, cut, cut]).ended, true);
  });

  it("are not used up by continuations that get on, but there is an end to them too", () => {
    assert.equal(live(Array(20).fill(working)).ended, false);
    assert.deepEqual(live(Array(30).fill(working)), { ended: true, counted: 1, continuations: 20 });
  });

  it("are used up when a turn has got on once and then no more", () => {
    assert.equal(live([working, working, working, cut]).ended, false);
    assert.equal(live([working, working, working, cut, cut]).ended, true);
  });

  it("that were excused count for nothing, however many", () => {
    assert.equal(live(Array(100).fill(excused)).ended, false);
    assert.equal(live([lost, lost, ...Array(100).fill(excused)]).ended, false);
  });
});

describe("a message that a dead process left", () => {
  const once: TryState[] = [{ sdkUuid: "first", kind: "send", progress: 0, outcome: "lost" }];
  const left: Unfinished = { messageId: "m", tries: once, taken: false, stopRequested: false, again: false };
  const nothing: Decision = { answered: [], continued: null, sent: [], ended: [] };
  const turnWith = (end: TranscriptTurn["end"], ...members: string[]): TranscriptTurn => ({
    members,
    text: "So far",
    progress: 2,
    end,
    before: null,
  });
  const open = { kind: "open" } as const;
  const failure = { kind: "failed", code: "context_too_long", message: "Prompt is too long" } as const;
  const interrupted = {
    code: "interrupted",
    message: "Claude's process ended again and again while Claude was working on it.",
  };
  const failed = (error: { code: string; message: string }, messageId = "m") => ({
    ...nothing,
    ended: [{ messageId, status: "failed" as const, ran: null, error }],
  });
  const stopped = (ran: boolean) => ({
    ...nothing,
    ended: [{ messageId: "m", status: "stopped" as const, ran, error: null }],
  });

  it("is sent again when the model never saw it", () => {
    assert.deepEqual(decide([left], [turnWith(open, "other")]), { ...nothing, sent: ["m"] });
  });

  it("is answered by what its turn has said", () => {
    assert.deepEqual(decide([left], [turnWith({ kind: "answered" }, "other", "first")]), {
      ...nothing,
      answered: [{ messageIds: ["m"], text: "So far" }],
    });
  });

  it("goes on in its turn, with all that shared it", () => {
    const folded = { ...left, messageId: "n", tries: once.map((each) => ({ ...each, sdkUuid: "folded" })) };
    assert.deepEqual(decide([left, folded], [turnWith(open, "first", "folded")]), {
      ...nothing,
      continued: { messageIds: ["m", "n"], text: "So far", progress: 2 },
    });
  });

  it("is given up with its turn when another one has run since: that one cannot be continued", () => {
    const turns = [turnWith(open, "first"), turnWith({ kind: "answered" }, "other")];
    assert.deepEqual(decide([left], turns), failed(interrupted));
  });

  it("goes on in its turn without one that has had its tries", () => {
    const spent = { ...left, messageId: "n", tries: [...once, ...once, ...once] };
    assert.deepEqual(decide([left, spent], [turnWith(open, "first")]), {
      ...failed(interrupted, "n"),
      continued: { messageIds: ["m"], text: "So far", progress: 2 },
    });
  });

  it("goes on in its turn when the next one had begun behind it and come to nothing: that one is sent again", () => {
    const behind = { ...left, messageId: "n", tries: once.map((each) => ({ ...each, sdkUuid: "behind" })) };
    const begun = { ...turnWith(open, "behind"), text: "", progress: 0 };
    const decision = {
      ...nothing,
      continued: { messageIds: ["m"], text: "So far", progress: 2 },
      sent: ["n"],
    };
    assert.deepEqual(decide([left, behind], [turnWith(open, "first"), begun]), decision);
    assert.deepEqual(decide([left, behind], [turnWith(open, "first"), begun, begun]), decision);
    // Nobody waits for the first any more: then the second is the one to go on with.
    assert.deepEqual(decide([behind], [turnWith(open, "first"), begun]).sent, []);
  });

  it("has failed as its turn has", () => {
    const { code, message } = failure;
    assert.deepEqual(decide([left], [turnWith(failure, "first")]), failed({ code, message }));
  });

  it("is sent anew when its turn only failed and is to be left out, but not when that had got somewhere", () => {
    const again = { ...left, again: true };
    const only = { ...turnWith(failure, "first"), progress: 0 };
    assert.deepEqual(decide([again], [only]), { ...nothing, sent: ["m"] });
    const { code, message } = failure;
    assert.deepEqual(decide([again], [turnWith(failure, "first")]), failed({ code, message }));
  });

  it("goes by the last turn it stands in: those before are left out of the conversation", () => {
    const anew = { ...left, tries: once.concat(once.map((each) => ({ ...each, sdkUuid: "second" }))) };
    const only = { ...turnWith(failure, "first"), progress: 0 };
    for (const again of [true, false]) {
      const turns = [only, turnWith({ kind: "answered" }, "second")];
      assert.deepEqual(decide([{ ...anew, again }], turns), {
        ...nothing,
        answered: [{ messageIds: ["m"], text: "So far" }],
      });
      assert.deepEqual(decide([{ ...anew, again }], [only, turnWith(open, "second")]).continued?.messageIds, [
        "m",
      ]);
      assert.deepEqual(decide([{ ...anew, again }], [only]), { ...nothing, sent: ["m"] });
    }
  });

  it("is given up after the third try, and its sender can be told the number", () => {
    const spent = { ...left, tries: [...once, ...once, ...once] };
    const message = "Claude's process ended 3 times before Claude could read the message.";
    assert.deepEqual(decide([spent], []), failed({ code: "tries_exhausted", message }));
  });

  it("is stopped when that was asked for, and told whether it ran", () => {
    const stopping = { ...left, stopRequested: true };
    assert.deepEqual(decide([stopping], []), stopped(false));
    assert.deepEqual(decide([{ ...stopping, taken: true }], []), stopped(true));
    assert.deepEqual(decide([stopping], [turnWith(open, "first")]), stopped(true));
    assert.deepEqual(decide([left], [turnWith({ kind: "interrupted" }, "first")]), stopped(true));
  });
});
