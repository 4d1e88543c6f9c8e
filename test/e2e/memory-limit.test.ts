/** A process and its tools may take so much memory: one that takes more ends with its turn, one that takes far more at once. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Step } from "../../src/offline/index.ts";
import { answerOf, startRig } from "../support/rig.ts";

const config = (allowedMb: number, mostMb: number) => `
  processes.health_check_seconds = 0.2
  processes.process_memory_mb = ${allowedMb}
  processes.process_memory_max_mb = ${mostMb}
`;
const admin = { contact: { tier: "admin" } };

/** A tool that holds so much memory until there is a file `go` in its folder. */
function holding(mebibytes: number): Step {
  const program = `
    const held = Buffer.alloc(${mebibytes} * 2 ** 20, 1);
    setInterval(() => held.length > 0 && require("fs").existsSync("go") && process.exit(), 50);
  `;
  const command = `"${process.execPath}" -e '${program.replaceAll("\n", " ")}'`;
  return { kind: "tool", name: "Bash", input: { command } };
}

test("above its limit it takes on nothing more, and is closed when its turn has ended", async (t) => {
  const rig = await startRig(t, { config: config(600, 100_000) });
  rig.script("Work", holding(600));
  const message = await rig.tell("heavy", "Work", admin);
  const pid = await rig.pid("heavy");
  await rig.journal.until("heavy", "notice", ({ code }) => code === "memory_high");
  const later = await rig.tell("heavy", "What did I say?");
  assert.deepEqual((await rig.switchboard.message(later.id)).waiting, { for: "tool", plan: "next" });
  rig.file(join("home", "chats", (await rig.chat("heavy")).sessionName, "go"), "");
  assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
  assert.match(answerOf(await rig.ended(later)).text, /"Work"\.$/);
  assert.notEqual(await rig.pid("heavy"), pid);
  const ended = rig.journal.of("heavy", "process").find(({ state }) => state === "ended");
  assert.match(ended?.reason ?? "", /^it took \d+ MiB of memory with its tools, and 600 are allowed$/);
  assert.equal((await rig.switchboard.message(message.id)).tries, 1);
});

test("far above it, it is killed with a notice, tools and all, and its message is taken up by the next one", async (t) => {
  const rig = await startRig(t, { config: config(600, 700) });
  const off = rig.script("Work", holding(700));
  const message = await rig.tell("bloated", "Work", admin);
  await rig.pid("bloated");
  await rig.inTranscript(message);
  const { text } = await rig.journal.until("bloated", "notice", ({ code }) => code === "memory_exceeded");
  off();
  assert.match(
    text,
    /^The process was killed: it took \d+ MiB of memory with its tools, and 700 are allowed\.$/,
  );
  assert.deepEqual(answerOf(await rig.ended(message)).answers, [message.id]);
  assert.equal(rig.claudes().length, 1);
  assert.equal(rig.processes().filter(({ command }) => command.includes("Buffer.alloc")).length, 0);
});
