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
  unfinished,
} from "../../src/sessions/entry.ts";
import { message } from "./message.ts";

function tryOf(n: number, sdkUuid: string): Try {
  return { messageId: message().id, n, sdkUuid, generation: n, epoch: 1, outcome: "lost", chargedAt: 0 };
}

describe("a message on its way through a session", () => {
  it("begins queued, or charged under its own id when its first try came with the acceptance", () => {
    const queued = acceptedEntry(message(), false, 0);
    assert.deepEqual([queued.phase, queued.sdkUuids], ["queued", []]);
    const charged = acceptedEntry(message({ status: "sent" }), true, 0);
    assert.deepEqual([charged.phase, charged.sdkUuids], ["charged", [message().id]]);
  });

  it("that was left open was in a process's hands if it was sent, with the uuids of all its tries", () => {
    const sent = leftEntry(message({ status: "sent" }), [tryOf(1, message().id), tryOf(2, "b")], 0);
    assert.deepEqual([sent.phase, sent.sdkUuids], ["handed", [message().id, "b"]]);
    const queued = leftEntry(message(), [tryOf(1, message().id)], 0);
    assert.deepEqual([queued.phase, queued.sdkUuids], ["queued", [message().id]]);
  });

  it("bears its own id in its first try, and a new uuid in each later one: a process swallows what it knows", () => {
    const entry = acceptedEntry(message(), false, 0);
    assert.equal(nextUuid(entry), message().id);
    const uuids = new Set<string>();
    for (let n = 1; n <= 3; n++) {
      const uuid = nextUuid(entry);
      entry.sdkUuids.push(uuid);
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
    const inside = phases.filter((phase) => inHand({ ...acceptedEntry(message(), false, 0), phase }));
    assert.deepEqual(inside, ["handed", "taken"]);
  });

  it("knows since when the session has it", () => {
    assert.equal(acceptedEntry(message(), false, 17).since, 17);
    assert.equal(leftEntry(message(), [], 18).since, 18);
  });

  it("is told to recovery with all of its uuids and whether it was to be stopped", () => {
    const entry = leftEntry(message({ status: "sent" }), [tryOf(1, "a"), tryOf(2, "b")], 0);
    entry.stopRequested = true;
    assert.deepEqual(unfinished(entry), {
      messageId: message().id,
      sdkUuids: ["a", "b"],
      taken: false,
      stopRequested: true,
    });
  });
});
