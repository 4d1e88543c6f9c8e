/** Replies by a channel that was taken out of the configuration are not lost from sight. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { startRig } from "../support/rig.ts";

// Nobody listens there.
const hook = '[channels.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = "sixteen characters"';

test("a reply whose channel is gone fails, also when it is asked for again, and so does one that comes later", async (t) => {
  const rig = await startRig(t, { config: hook });
  const failed = async () => (await rig.switchboard.failedReplies()).deliveries;
  const earlier = await rig.say("chat", "one", { channel: "hook" });
  const off = rig.script("two", { kind: "hang" });
  await rig.tell("chat", "two", { channel: "hook" });
  await rig.requestWith("two");
  await rig.close({ hurry: true });
  off();
  await rig.open();

  await eventually("both have failed", async () => (await failed()).length === 2);
  for (const { error } of await failed()) assert.match(error?.message ?? "", /No channel of the name hook/);
  const id = earlier.reply?.id ?? "";
  await rig.switchboard.retryReply(id);
  await eventually("it has failed again", async () => (await failed()).some((reply) => reply.id === id));
});
