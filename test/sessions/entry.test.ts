import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Try } from "../../src/ledger/index.ts";
import {
  acceptedEntry,
  currentUuid,
  inHand,
  leftEntry,
  nextUuid,
  type Phase,
  putBack,
  sendOf,
  unfinished,
} from "../../src/sessions/entry.ts";
import { message } from "./message.ts";

function tryOf(n: number, sdkUuid: string): Try {
  const charged = { generation: n, epoch: 1, kind: "send", progress: 0, chargedAt: 0 } as const;
  return { messageId: message().id, n, sdkUuid, ...charged, outcome: "lost" };
}

const uuidsOf = ({ tries }: { tries: ReadonlyArray<{ sdkUuid: string }> }) =>
  tries.map(({ sdkUuid }) => sdkUuid);

describe("a message on its way through a session", () => {
  it("begins queued, or charged under its own id when its first try came with the acceptance", () => {
    const queued = acceptedEntry(message(), null, 0);
    assert.deepEqual([queued.phase, queued.tries], ["queued", []]);
    const charged = acceptedEntry(message({ status: "sent" }), { epoch: 1, generation: 7 }, 0);
    assert.deepEqual([charged.phase, charged.tries], ["charged", [sendOf(message().id, 7)]]);
  });

  it("that was left open was in a process's hands if it was sent, with all its tries", () => {
    const tries = [tryOf(1, message().id), tryOf(2, "b")];
    const sent = leftEntry(message({ status: "sent" }), tries, 0);
    assert.deepEqual([sent.phase, sent.tries], ["handed", tries]);
    const queued = leftEntry(message(), tries.slice(0, 1), 0);
    assert.deepEqual([queued.phase, uuidsOf(queued)], ["queued", [message().id]]);
  });

  it("bears its own id in its first try, and a new uuid in each later one: a process swallows what it knows", () => {
    const entry = acceptedEntry(message(), null, 0);
    assert.equal(nextUuid(entry), message().id);
    assert.equal(currentUuid(entry), message().id);
    const uuids = new Set<string>();
    for (let n = 1; n <= 3; n++) {
      const uuid = nextUuid(entry);
      entry.tries.push(sendOf(uuid, n));
      uuids.add(uuid);
      assert.match(uuid, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
      assert.equal(currentUuid(entry), uuid);
    }
    assert.equal(uuids.size, 3);
  });

  it("never bears the uuid of a try that an earlier daemon made", () => {
    const entry = leftEntry(message(), [tryOf(1, message().id)], 0);
    assert.notEqual(nextUuid(entry), message().id);
  });

  it("is in the process's hands from the handing over on", () => {
    const phases: Phase[] = ["queued", "pending", "charged", "handed", "taken"];
    const inside = phases.filter((phase) => inHand({ ...acceptedEntry(message(), null, 0), phase }));
    assert.deepEqual(inside, ["handed", "taken"]);
  });

  it("knows since when the session has it", () => {
    assert.equal(acceptedEntry(message(), null, 17).since, 17);
    assert.equal(leftEntry(message(), [], 18).since, 18);
  });

  for (const outcome of ["lost", "excused"] as const) {
    it(`goes back to the queue with its open try ${outcome}, and those before it as they were`, () => {
      const entry = leftEntry(message({ status: "sent" }), [tryOf(1, "a")], 0);
      entry.tries.push(sendOf("b", 2));
      putBack(entry, outcome);
      assert.equal(entry.phase, "queued");
      assert.deepEqual(entry.tries, [tryOf(1, "a"), { ...sendOf("b", 2), outcome }]);
    });
  }

  it("keeps what its last try came to when it is put back once more, or was never tried", () => {
    const lost = leftEntry(message(), [tryOf(1, "a")], 0);
    putBack(lost, "excused");
    assert.deepEqual(lost.tries, [tryOf(1, "a")]);
    const untried = acceptedEntry(message(), null, 0);
    putBack(untried, "lost");
    assert.deepEqual([untried.phase, untried.tries], ["queued", []]);
  });

  it("is told to recovery with all of its tries, whether it was taken, to be stopped, or to be sent anew", () => {
    const tries = [tryOf(1, "a"), tryOf(2, "b")];
    const entry = leftEntry(message({ status: "sent" }), tries, 0);
    const told = { messageId: message().id, tries, taken: false, stopRequested: false, again: false };
    assert.deepEqual(unfinished(entry), told);
    entry.phase = "taken";
    assert.deepEqual(unfinished(entry), { ...told, taken: true });
    entry.stopRequested = true;
    entry.again = true;
    assert.deepEqual(unfinished(entry), { ...told, taken: true, stopRequested: true, again: true });
  });
});
