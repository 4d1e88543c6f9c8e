/** A forgotten chat: no process, no row, no file, no byte of it is left, also when the daemon died in the middle. */
import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { attached } from "../support/files.ts";
import { answerOf, startRig } from "../support/rig.ts";

const rig = await startRig({ after });
// A slot that a forgotten chat kept would be everybody's.
await rig.reopen("processes.max = 1");
const chatId = "telegram:4815162342";
/** As nothing else is called. */
const marks = {
  words: "zebrawords",
  name: "Quixotica",
  slug: "quixotica",
  id: "4815162342",
  file: "xylofile",
  tool: "yonderput",
  attached: "kazoosheet",
};

/** Where in the home a mark stands, in names and in contents. */
function found(mark: string): string[] {
  const files = globSync("**/{*,.*}", { cwd: rig.home });
  return files.filter((name) => {
    if (name.toLowerCase().includes(mark.toLowerCase())) return true;
    const path = join(rig.home, name);
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    return isFile && readFileSync(path).toString("latin1").toLowerCase().includes(mark.toLowerCase());
  });
}

test("leaves nothing in the home, and its process is gone; others keep all", async () => {
  const contact = { tier: "admin", name: marks.name };
  await rig.say("neighbour", "I stay");
  answerOf(
    await rig.say(chatId, marks.words, {
      contact,
      sender: { id: "1", name: marks.name },
      route: { to: marks.id },
      attachments: [attached(`${marks.attached}.txt`, marks.attached)],
    }),
  );
  rig.script("Run it", { kind: "tool", name: "Bash", input: { command: `echo ${marks.tool}` } });
  answerOf(await rig.say(chatId, "Run it"));
  await rig.switchboard.reset(chatId);
  answerOf(await rig.say(chatId, `again ${marks.words}`));
  writeFileSync(join(await rig.workFolder(chatId), `${marks.file}.txt`), marks.file);
  for (const [what, mark] of Object.entries(marks)) assert.ok(found(mark).length > 0, `${what} is nowhere`);
  assert.ok(found(marks.words).some((name) => name.startsWith("switchboard.db")));
  const pid = await rig.pid(chatId);

  const { did } = await rig.switchboard.forget(chatId);
  assert.equal(did, "forgotten");
  assert.ok(!rig.processes().some((each) => each.pid === pid));
  await assert.rejects(rig.switchboard.chat(chatId), { code: "not_found" });
  await assert.rejects(rig.switchboard.forget(chatId), { code: "not_found" });
  for (const [what, mark] of Object.entries(marks)) assert.deepEqual(found(mark), [], what);
  assert.match(await rig.ask("neighbour", "What did I say?"), /I stay/);
});

test("ends what it was doing, and what comes later is a new chat's", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  rig.script("Wait", { kind: "text", text: "Late", hold: promise });
  const message = await rig.tell(chatId, "Wait", { contact: { tier: "family" } });
  await rig.requestWith("Wait");
  await rig.switchboard.forget(chatId);
  resolve();
  await assert.rejects(rig.switchboard.message(message.id), { code: "not_found" });
  const answer = await rig.ask(chatId, "What did I say?", { contact: { tier: "family" } });
  assert.doesNotMatch(answer, /Wait/);
  assert.equal((await rig.switchboard.history(chatId)).length, 2);
});

test("is finished by the next daemon when one dies after its rows are gone", async () => {
  const { sessionId } = await rig.chat("neighbour");
  await rig.switchboard.forget("neighbour");
  await rig.close();
  // As it was before the files were removed.
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(join(rig.home, "switchboard.db"));
  db.prepare("INSERT INTO forgotten_spaces VALUES (?, ?)").run(String(sessionId), "neighbour");
  db.close();
  for (const folder of [`spaces/${sessionId}/work`, `transcripts/${sessionId}`]) {
    mkdirSync(join(rig.home, folder), { recursive: true });
    writeFileSync(join(rig.home, folder, "left"), "");
  }
  await rig.open();
  assert.deepEqual(found(String(sessionId)), []);
});
