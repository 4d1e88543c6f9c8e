/** What is kept no longer is gone, rows, files and bytes; what is kept, or in use, is all there. */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
const admin = { contact: { tier: "admin" } };
const words = { old: "zebrawords", tool: "yonderput", kept: "kazoosheet", used: "xylofile" };

/** The files of the home in which a word stands. */
function found(word: string): string[] {
  return globSync("**/{*,.*}", { cwd: rig.home }).filter((name) => {
    const path = join(rig.home, name);
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    return isFile && readFileSync(path).toString("latin1").includes(word);
  });
}

test("a tier's old messages, events and conversations go, and nothing else", async () => {
  rig.script("Run it", { kind: "tool", name: "Bash", input: { command: `echo ${words.tool}` } });
  answerOf(await rig.say("old", words.old, admin));
  answerOf(await rig.say("old", "Run it"));
  answerOf(await rig.say("kept", words.kept));
  answerOf(await rig.say("used", words.used, admin));
  rig.script("Hang", { kind: "hang" });
  const hanging = await rig.tell("used", "Hang");
  await rig.requestWith("Hang");
  for (const word of Object.values(words)) assert.ok(found(word).length > 0, word);
  const { usage } = await rig.switchboard.chat("old");

  // A tenth of a second, as days.
  const short = 0.1 / 86_400;
  await rig.close({ hurry: true });
  await rig.open(
    `tiers.admin.keep = { messages_days = ${short}, events_days = ${short}, transcripts_days = ${short} }`,
  );
  await eventually("nothing of the old chat's words is left", () => found(words.old).length === 0);
  assert.deepEqual(found(words.tool), []);
  assert.deepEqual(await rig.switchboard.history("old"), []);
  assert.deepEqual((await rig.switchboard.chat("old")).usage, usage, "what it has cost stays known");
  const codes: string[] = [];
  for await (const event of rig.switchboard.events({ chatId: "old", follow: false }))
    if (event.type === "notice") codes.push(event.code);
  assert.deepEqual(codes, ["conversation_removed"]);
  await eventually("it is counted", async () =>
    /^switchboard_removed_total\{what="messages"\} 2$/m.test(await rig.switchboard.metrics()),
  );

  assert.equal(answerOf(await rig.say("old", "What did I say?")).text, "You have not said anything yet.");
  assert.match(answerOf(await rig.say("kept", "What did I say?")).text, new RegExp(words.kept));
  const used = await rig.switchboard.history("used");
  assert.deepEqual(
    used.map((entry) => (entry.type === "message" ? entry.text : entry.kind)),
    [words.used, "answer", "Hang"],
  );
  await rig.switchboard.stop("used");
  assert.equal((await rig.ended(hanging)).status, "stopped");
});
