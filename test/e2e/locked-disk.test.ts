/** A database that another program holds delays what has to be on disk, and nothing else. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });

/** ms. Long enough to be noticed by everything that waits for the disk. */
const lockedMs = 3000;

/** Holds the ledger's file as another program would; the returned function lets it go. */
function lock(): () => void {
  const database = new DatabaseSync(join(rig.home, "switchboard.db"));
  database.exec("BEGIN IMMEDIATE");
  return () => database.close();
}

test("while the ledger is locked, text goes on streaming, timers fire, and nothing that comes is lost", async () => {
  await rig.say("stream", "one");
  await rig.say("other", "one");
  const tokens = Array.from({ length: 40 }, (_, n) => `${n} `);
  const delay = lockedMs / tokens.length;
  rig.script("Count", { kind: "text", text: tokens.join(""), tokens, tokenDelayMs: delay });
  const streaming = await rig.tell("stream", "Count");
  await rig.journal.until("stream", "text");

  let accepted = 0;
  let longestPause = 0;
  const unlock = lock();
  const messages = ["stream", "other", "new"].map(async (chatId) => {
    const { message } = await rig.switchboard.receive(chatId, { text: "Hello", contact: { tier: "family" } });
    accepted += 1;
    return message;
  });
  let last = performance.now();
  const ticks = setInterval(() => {
    longestPause = Math.max(longestPause, performance.now() - last);
    last = performance.now();
  }, 10);
  try {
    // The model's stream is the clock: its end lies as far away as the lock is to last.
    await rig.journal.until("stream", "text", ({ text }) => text.includes("39"));
    assert.equal(accepted, 0, "something was accepted that could not be on disk");
    assert.equal((await rig.switchboard.message(streaming.id)).status, "sent");
    assert.ok(longestPause < 1000, `the event loop stood still for ${longestPause} ms`);
  } finally {
    clearInterval(ticks);
    unlock();
  }

  assert.equal(answerOf(await rig.ended(streaming)).text, tokens.join(""));
  for (const message of await Promise.all(messages)) {
    assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
  }
});
