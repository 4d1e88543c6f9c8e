import assert from "node:assert/strict";
import { cpSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock as clock } from "../../src/clock.ts";
import { silent as log } from "../../src/log.ts";
import { homeId, listMarked, sweep } from "../../src/os/index.ts";
import { parseMarker } from "../../src/os/marker.ts";
import {
  isGone,
  ownFolder,
  ownHomeId,
  PATH,
  runScript,
  shell,
  stateOf,
  stranger,
  until,
} from "./fixtures.ts";

test("a sweep ends what carries the home's marker, stopped or not, and nothing else", async (t) => {
  const [ours, theirs] = [ownHomeId(t), ownHomeId(t)];
  const stopped = await shell(ours, "echo; exec sleep 300", { generation: 7 });
  const running = await shell(ours, "echo; exec sleep 300", { generation: 8 });
  const others = await shell(theirs, "echo; exec sleep 300");
  const unmarked = stranger(t, "sleep", "300");
  process.kill(stopped.pid, "SIGSTOP");
  await until(() => stateOf(stopped.pid) === "T");

  const ended = await sweep(ours, { clock, log });

  const found = ended.map(({ pid, generation }) => ({ pid, generation }));
  assert.deepEqual(
    found.sort((a, b) => a.generation - b.generation),
    [
      { pid: stopped.pid, generation: 7 },
      { pid: running.pid, generation: 8 },
    ],
  );
  assert.deepEqual(await stopped.exited, { code: null, signal: "SIGKILL" });
  assert.deepEqual(await running.exited, { code: null, signal: "SIGTERM" });
  assert.ok(!isGone(others.pid) && !isGone(unmarked.pid));
  assert.deepEqual(await sweep(ours, { clock, log }), []);
});

test("marked processes are listed with generation, start time and state", async (t) => {
  const home = ownHomeId(t);
  const started = await shell(home, "echo; exec sleep 300", { generation: 9 });
  process.kill(started.pid, "SIGSTOP");
  await until(() => stateOf(started.pid) === "T");
  const { pid, startTime } = started;
  assert.deepEqual(await listMarked(home), [{ pid, generation: 9, startTime, state: "T" }]);
});

test("a daemon that was started from a session's shell does not sweep itself", async (t) => {
  const home = ownHomeId(t);
  const leftover = await shell(home, "echo; exec sleep 300");
  const env = { PATH, SWITCHBOARD_PROCESS: `${home}/3` };
  const { firstLine } = await runScript(t, "self-sweeper.ts", [home], env);
  assert.deepEqual(JSON.parse(firstLine), [leftover.pid]);
});

test("a home keeps its id, by every path that leads to it; a copy has another", async (t) => {
  const folder = ownFolder(t);
  const home = ownFolder(t);
  const [link, copy] = [join(folder, "link"), join(folder, "copy")];
  symlinkSync(home, link);
  cpSync(home, copy, { recursive: true });
  const id = await homeId(home);
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.equal(await homeId(`${home}/`), id);
  assert.equal(await homeId(link), id);
  assert.notEqual(await homeId(copy), id);
  const moved = join(folder, "moved");
  renameSync(home, moved);
  cpSync(moved, home, { recursive: true });
  assert.notEqual(await homeId(moved), id);
  assert.notEqual(await homeId(home), id);
  await assert.rejects(homeId(join(folder, "none")), { code: "ENOENT" });
});

test("a marker of another form is none", () => {
  assert.deepEqual(parseMarker("0123456789abcdef/12"), { homeId: "0123456789abcdef", generation: 12 });
  for (const value of [
    "",
    "0123456789abcdef",
    "0123456789abcdef/",
    "0123/1",
    "0123456789abcdef/1 2",
    "0123456789abcdef/-1",
  ]) {
    assert.equal(parseMarker(value), undefined, value);
  }
});
