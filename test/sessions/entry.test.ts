import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Try } from "../../src/ledger/index.ts";
import { currentUuid, inHand, newEntry, nextUuid, type Phase, unfinished } from "../../src/sessions/entry.ts";
import { message } from "./message.ts";

function tryOf(n: number, sdkUuid: string): Try {
  return { messageId: message().id, n, sdkUuid, generation: n, epoch: 1, outcome: "lost", chargedAt: 0 };
}

describe("a message on its way through a session", () => {
  it("begins queued, or charged when the ledger says that it was sent", () => {
    assert.equal(newEntry(message()).phase, "queued");
    assert.equal(newEntry(message({ status: "sent" }), [tryOf(1, "a")]).phase, "charged");
  });

  it("bears its own id in its first try, and a new uuid in each later one: a process swallows what it knows", () => {
    const entry = newEntry(message());
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

  it("keeps the uuids of tries that an earlier daemon made", () => {
    const entry = newEntry(message({ status: "sent" }), [tryOf(1, message().id), tryOf(2, "b")]);
    assert.equal(currentUuid(entry), "b");
    assert.notEqual(nextUuid(entry), message().id);
  });

  it("is in the process's hands from the handing over on", () => {
    const entry = newEntry(message());
    const phases: Phase[] = ["queued", "charging", "charged", "handed", "taken"];
    const inside = phases.filter((phase) => inHand(Object.assign(entry, { phase })));
    assert.deepEqual(inside, ["handed", "taken"]);
  });

  it("is told to recovery with all of its uuids and whether it was to be stopped", () => {
    const entry = newEntry(message({ status: "sent" }), [tryOf(1, "a"), tryOf(2, "b")]);
    entry.stopRequested = true;
    assert.deepEqual(unfinished(entry), {
      messageId: message().id,
      sdkUuids: ["a", "b"],
      stopRequested: true,
    });
  });
});
