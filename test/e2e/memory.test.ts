/** A chat's memory is its session, and the session outlives its processes and the daemon. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { history } from "../offline/history.ts";
import { eventually } from "../support/eventually.ts";
import { killHard } from "../support/processes.ts";
import { type Rig, startRig } from "../support/rig.ts";

const rig = await startRig({ after });

test("each of two chats answers from its own past, also after the home was closed and opened again", async () => {
  await rig.say("ada", "I like tea");
  await rig.say("ben", "I like coffee");
  const before = [await rig.sessionId("ada"), await rig.sessionId("ben")];
  await rig.reopen();
  assert.equal(await rig.ask("ada", "What did I say?"), 'You said, newest first: "I like tea".');
  assert.equal(await rig.ask("ben", "What did I say?"), 'You said, newest first: "I like coffee".');
  assert.deepEqual([await rig.sessionId("ada"), await rig.sessionId("ben")], before);
  assert.notEqual(before[0], before[1]);
});

/** Ways for an idle process to end. */
const ends: Record<string, (rig: Rig, chatId: string) => Promise<unknown>> = {
  "the home was closed and opened again": (rig) => rig.reopen(),
  "its process was closed": (rig, chatId) => rig.switchboard.closeChat(chatId),
  "its process was killed": async (rig, chatId) => {
    const pid = await rig.pid(chatId);
    killHard(pid);
    await eventually("the death was noticed", async () => (await rig.chat(chatId)).process?.pid !== pid);
  },
};

for (const [way, end] of Object.entries(ends)) {
  test(`the model is shown the same conversation after ${way}, and one new message`, async () => {
    const chatId = way;
    await rig.say(chatId, "one");
    await rig.say(chatId, "two");
    const before = await rig.lastRequest(chatId);
    const starts = rig.starts(chatId);
    await end(rig, chatId);
    const { reply } = await rig.say(chatId, "three");
    const resumed = await rig.lastRequest(chatId);

    assert.ok(rig.starts(chatId) > starts, "no new process was started");
    const shown = history(resumed.body);
    assert.deepEqual(shown.slice(0, -2), history(before.body));
    assert.deepEqual(shown.slice(-2), [
      { role: "assistant", blocks: ['You said: "two". I remember 1 earlier message.'] },
      { role: "user", blocks: ["three"] },
    ]);
    assert.equal(reply?.text, 'You said: "three". I remember 2 earlier messages.');
  });
}
