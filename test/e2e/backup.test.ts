/** A daemon's home, saved in the middle of its work, wiped, restored elsewhere: every conversation goes on, and nothing is lost. */
import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { userMessages } from "../../src/offline/index.ts";
import { run } from "../cli/rig.ts";
import { DaemonRig, startDaemonRig } from "../support/daemon.ts";

test("what is restored goes on where the backup was taken, in another place", async (t) => {
  const rig = await startDaemonRig(t);
  await rig.ask("ada", "My word is heliotrope");
  await rig.ask("bob", "My word is vermilion");
  // A turn in the middle of its answer, and a message that waits for it.
  const { promise: held, resolve: go } = Promise.withResolvers<void>();
  const half = { kind: "text" as const, text: "one two", tokens: ["one ", "two"], hold: held };
  rig.script("Work on this", half);
  const running = await rig.tell("ada", "Work on this");
  await rig.inTranscript(running);
  const file = join(rig.folder, "backup.tgz");
  const saved = await run(["backup", file, "--home", rig.home]);
  assert.deepEqual([saved.code, saved.stderr], [0, ""]);

  // What comes after it is not in it.
  go();
  await rig.ended(running);
  await rig.ask("bob", "Too late to be saved");
  const { token } = rig;
  await rig.kill();
  rmSync(rig.home, { recursive: true });

  const folder = mkdtempSync(join(realpathSync(tmpdir()), "e2e-"));
  const again = new DaemonRig(folder, rig.model);
  t.after(async () => {
    await again.end();
    rmSync(folder, { recursive: true, force: true });
  });
  const restored = await run(["restore", file, "--home", again.home]);
  assert.equal(restored.code, 0, restored.stderr);
  assert.match(restored.stdout, /is as it was on \d{4}-\d\d-\d\dT/);
  await again.start();
  assert.notEqual(again.token, token);
  assert.equal((await again.ended(running)).status, "answered", "the open message is worked on again");
  for (const chatId of ["ada", "bob"]) await again.ask(chatId, "What is my word?");
  const remembered = rig.model
    .requests()
    .filter(({ body }) => userMessages(body).at(-1) === "What is my word?")
    .map(({ body }) => userMessages(body).join());
  assert.deepEqual(
    remembered.map((said) => [
      said.includes("heliotrope"),
      said.includes("vermilion"),
      said.includes("Too late"),
    ]),
    [
      [true, false, false],
      [false, true, false],
    ],
  );
});
