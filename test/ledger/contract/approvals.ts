import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Ledger, Message } from "../../../src/ledger/index.ts";
import { accepted, allEvents, rejects, stopped, type Work, work } from "../support.ts";
import type { PromiseTest } from "./place.ts";

const question = ({ id: messageId }: Pick<Message, "id">, more: object = {}) => ({
  ...{ id: randomUUID(), messageId, name: "Bash", input: '{"command":"ls"}', digest: "d" },
  ...{ reason: "It must be asked.", waitMs: 600_000, tell: null, ...more },
});

async function asked(ledger: Ledger): Promise<{ at: Work; message: Message; id: string }> {
  const at = await work(ledger, "a");
  const message = await accepted(ledger, "a", "hi");
  const { id } = await ledger.askApproval(at.lease, question(message));
  return { at, message, id };
}

export function approvalsPromises(promise: PromiseTest): void {
  promise(
    "a question is told, waits for its answer, and outlives the ledger's end",
    async (ledger, reopen) => {
      const { message, id } = await asked(ledger);
      const approval = await ledger.approval(id);
      assert.ok(approval !== null);
      assert.deepEqual(approval, {
        ...{ id, chatId: "a", messageId: message.id, name: "Bash", input: '{"command":"ls"}', digest: "d" },
        ...{ reason: "It must be asked.", state: "pending", decidedBy: null, endedAt: null },
        ...{ askedAt: approval.askedAt, until: approval.askedAt + 600_000 },
      });
      const again = await reopen();
      assert.deepEqual(await again.pendingApprovals(10), [approval]);
      const events = await allEvents(again);
      assert.deepEqual(
        events
          .flatMap((event) => (event.type === "notice" ? [[event.chatId, event.code, event.text]] : []))
          .at(-1),
        ["a", "approval_asked", 'Bash waits for a person\'s yes: {"command":"ls"}'],
      );
    },
  );

  promise(
    "another chat is told of a question by the way that its last message came, and once",
    async (ledger) => {
      const at = await work(ledger, "a");
      const message = await accepted(ledger, "a", "hi");
      const tell = { chatId: "boss", text: "May it?" };
      await ledger.askApproval(at.lease, question(message, { digest: "before anybody wrote there", tell }));
      await accepted(ledger, "boss", "without a channel");
      const last = await accepted(ledger, "boss", "hello", { channel: "pager", route: { thread: 7 } });
      const { id } = await ledger.askApproval(at.lease, question(message, { tell }));
      await ledger.askApproval(at.lease, question(message, { tell }));
      const notices = (await ledger.history("boss", { limit: 10 })).flatMap((row) =>
        "kind" in row ? [[row.id, row.kind, row.text, row.answers, row.channel, row.route, row.status]] : [],
      );
      assert.deepEqual(notices, [[id, "notice", "May it?", [last.id], "pager", { thread: 7 }, "pending"]]);
    },
  );

  promise(
    "the same call for the same message is asked once; another one is another question",
    async (ledger) => {
      const { at, message, id } = await asked(ledger);
      const other = await accepted(ledger, "a", "and");
      const ask = async (on: Message, more = {}) =>
        (await ledger.askApproval(at.lease, question(on, more))).id;
      assert.equal(await ask(message), id);
      assert.notEqual(await ask(other), id);
      assert.notEqual(await ask(message, { digest: "e" }), id);
      assert.equal((await ledger.pendingApprovals(10)).length, 3);
      assert.deepEqual(
        (await ledger.pendingApprovals(1)).map((each) => each.id),
        [id],
      );
    },
  );

  promise("a yes holds once, also when it came before the call was made again", async (ledger) => {
    const { at, message, id } = await asked(ledger);
    assert.equal((await ledger.decideApproval(id, "approved", "Ann"))?.decidedBy, "Ann");
    assert.equal((await ledger.askApproval(at.lease, question(message))).state, "approved");
    assert.equal((await ledger.endApproval(at.lease, id, "used")).state, "used");
    const next = await ledger.askApproval(at.lease, question(message));
    assert.deepEqual([next.state, next.id === id], ["pending", false]);
    assert.equal((await ledger.endApproval(at.lease, id, "used")).state, "used");
  });

  promise("a no holds for as long as the message does", async (ledger) => {
    const { at, message, id } = await asked(ledger);
    assert.equal((await ledger.decideApproval(id, "denied", "Ann"))?.state, "denied");
    assert.deepEqual(await ledger.pendingApprovals(10), []);
    assert.deepEqual(await ledger.askApproval(at.lease, question(message)), await ledger.approval(id));
    assert.equal((await ledger.endApproval(at.lease, id, "used")).state, "denied");
  });

  promise("is answered once, by whoever is first, and each answer is an event", async (ledger) => {
    const { at, id } = await asked(ledger);
    const last = await ledger.lastSeq();
    await ledger.decideApproval(id, "approved", "Ann");
    assert.equal(await ledger.decideApproval(id, "denied", "Ben"), null);
    assert.equal((await ledger.endApproval(at.lease, id, "expired")).state, "approved");
    assert.equal(await ledger.decideApproval("none", "denied", "Ben"), null);
    assert.deepEqual(
      (await allEvents(ledger, last)).map((event) => event.type === "notice" && [event.code, event.text]),
      [["approval_approved", "Bash was approved by Ann."]],
    );
  });

  for (const how of ["expired", "withdrawn"] as const)
    promise(`one that has ${how} waits no longer, and is asked anew`, async (ledger) => {
      const { at, message, id } = await asked(ledger);
      assert.equal((await ledger.endApproval(at.lease, id, how)).state, how);
      assert.deepEqual(await ledger.pendingApprovals(10), []);
      assert.equal(await ledger.decideApproval(id, "approved", "Ann"), null);
      assert.notEqual((await ledger.askApproval(at.lease, question(message))).id, id);
    });

  promise("nobody is asked beyond its time, nor for a message that has ended", async (ledger) => {
    const at = await work(ledger, "a");
    const [late, ended] = [await accepted(ledger, "a", "1"), await accepted(ledger, "a", "2")];
    const { id } = await ledger.askApproval(at.lease, question(late, { waitMs: 0 }));
    const { id: other } = await ledger.askApproval(at.lease, question(ended));
    await ledger.endMessages(at.lease, [stopped(ended)]);
    assert.deepEqual(await ledger.pendingApprovals(10), []);
    for (const each of [id, other]) assert.equal(await ledger.decideApproval(each, "approved", "Ann"), null);
    assert.notEqual((await ledger.askApproval(at.lease, question(late))).id, id);
  });

  promise("only the chat's own host asks and ends, about the chat's own messages", async (ledger) => {
    const { at, message, id } = await asked(ledger);
    const theirs = await work(ledger, "b");
    await rejects(ledger.askApproval(theirs.lease, question(message)), "invalid");
    await rejects(ledger.endApproval(theirs.lease, id, "expired"), "invalid");
    await rejects(ledger.endApproval(at.lease, "none", "expired"), "invalid");
    await ledger.acquire("a", "another host");
    await rejects(ledger.askApproval(at.lease, question(message)), "stale_epoch");
    await rejects(ledger.endApproval(at.lease, id, "expired"), "stale_epoch");
  });
}
