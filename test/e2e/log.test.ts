/** The daemon's log: what happened, and what somebody said only where that was asked for. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { startDaemonRig } from "../support/daemon.ts";
import { eventually } from "../support/eventually.ts";
import { credential } from "../support/rig.ts";

test("has a line for each event, and no word of anybody's below `trace`", async () => {
  const rig = await startDaemonRig({ after }, { config: 'log_level = "debug"' });
  const log = () => rig.daemon.output.stderr;
  const lines = () =>
    log()
      .split("\n")
      .filter((line) => line !== "")
      .map((line): Record<string, unknown> => JSON.parse(line));
  rig.script("Run it", { kind: "tool", name: "Bash", input: { command: "echo yonderput" } });
  rig.script("Refuse it", {
    kind: "error",
    status: 400,
    type: "invalid_request_error",
    message: "quoted zebrawords",
  });
  const contact = { contact: { tier: "admin", name: "Quixotica" } };
  for (const text of ["zebrawords", "Run it", "Refuse it"])
    await rig.ended(await rig.tell("ada", text, contact));
  const { process: running } = await rig.chat("ada");
  const failed = await eventually("the failure is logged", () =>
    lines().find(({ msg }) => msg === "message failed"),
  );
  assert.equal(failed.chatId, "ada");
  const answered = lines().find(({ msg }) => msg === "message answered");
  assert.equal(answered?.generation, running?.generation ?? 1);
  assert.ok(lines().some(({ msg, tool }) => msg === "tool finished" && tool === "Bash"));
  for (const word of ["zebrawords", "yonderput", "Quixotica", "You said", credential, rig.token])
    assert.ok(!log().includes(word), word);

  writeFileSync(join(rig.home, "switchboard.toml"), 'log_level = "trace"\n');
  process.kill(rig.daemon.pid, "SIGHUP");
  await eventually("the level is another", () =>
    lines().some(({ msg }) => msg === "the config was read again"),
  );
  await rig.ended(await rig.tell("ada", "kazoosheet"));
  await eventually("what was said is told", () =>
    lines().some(({ text }) => `${text}`.startsWith('You said: "kazoosheet"')),
  );
  for (const word of [credential, rig.token]) assert.ok(!log().includes(word));
});
