import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Clock, systemClock as clock } from "../../src/clock.ts";
import { killTree, TreeSurvivedError, treeGone } from "../../src/os/index.ts";
import { type ProcessEntry, processTable } from "../../src/os/process-table.ts";
import { endAll, membersOf } from "../../src/os/tree.ts";
import { isGone, ownFolder, ownHomeId, shell, stateOf, stranger, until } from "./fixtures.ts";

/**
 * A process of a session of its own, its parent gone: what a double fork and setsid leave. Prints its pid.
 */
const ORPHAN = "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' &";

/** Nobody: a pid above those that Linux gives. */
const someone: ProcessEntry = {
  ...{ pid: 2 ** 22 + 1, parent: 1, group: 2 ** 22, session: 2 ** 22 },
  ...{ state: "S", startTime: 1, marker: undefined },
};

test("a process has 3 s to end itself after SIGTERM", async (t) => {
  const started = await shell(ownHomeId(t), "trap 'sleep 1; exit 5' TERM; echo; while :; do sleep 0.1; done");
  await started.end({ clock });
  assert.deepEqual(await started.exited, { code: 5, signal: null });
});

test("a process that ignores SIGTERM gets SIGKILL after the grace", async (t) => {
  const started = await shell(ownHomeId(t), "trap '' TERM; echo; while :; do sleep 0.1; done");
  const begun = clock.monotonic();
  await started.end({ clock, graceMs: 300 });
  assert.ok(clock.monotonic() - begun >= 300);
  assert.deepEqual(await started.exited, { code: null, signal: "SIGKILL" });
});

test("SIGTERM reaches the whole group: a shell answers it only when its command has ended", async (t) => {
  const started = await shell(ownHomeId(t), "trap 'exit 5' TERM; sh -c 'echo; exec sleep 300'");
  await started.end({ clock });
  assert.deepEqual(await started.exited, { code: 5, signal: null });
});

test("no grace means SIGKILL at once", async (t) => {
  const started = await shell(ownHomeId(t), "trap 'exit 5' TERM; echo; while :; do sleep 0.1; done");
  await started.end({ clock, graceMs: 0 });
  assert.deepEqual(await started.exited, { code: null, signal: "SIGKILL" });
});

test("a stopped process gets SIGKILL at once", async (t) => {
  const started = await shell(ownHomeId(t), "echo; while :; do sleep 0.1; done");
  process.kill(started.pid, "SIGSTOP");
  await until(() => stateOf(started.pid) === "T");
  await started.end({ clock, graceMs: 600_000 });
  assert.deepEqual(await started.exited, { code: null, signal: "SIGKILL" });
});

test("the end of a tree includes a grandchild that was forked twice into a session of its own", async (t) => {
  const started = await shell(ownHomeId(t), `(${ORPHAN}); sleep 300`);
  const orphan = Number(started.firstLine);
  assert.ok(!isGone(orphan));
  await started.end({ clock, graceMs: 300 });
  assert.ok(isGone(started.pid) && isGone(orphan));
});

test("the end of a tree includes members of the group that dropped the marker", async (t) => {
  const started = await shell(ownHomeId(t), "(env -i sleep 300 & echo $!); sleep 300");
  const tool = Number(started.firstLine);
  t.after(() => isGone(tool) || process.kill(tool, "SIGKILL"));
  await started.end({ clock });
  assert.ok(isGone(tool));
});

test("the end of a tree includes descendants that dropped marker and group, and outlive their parent", async (t) => {
  const started = await shell(ownHomeId(t), `env -i PATH="$PATH" ${ORPHAN} wait`);
  const tool = Number(started.firstLine);
  t.after(() => isGone(tool) || process.kill(tool, "SIGKILL"));
  await started.end({ clock, graceMs: 300 });
  assert.ok(isGone(tool));
});

test("a tool in a group of its own is left to its parent as long as that lives", async (t) => {
  const ready = join(ownFolder(t), "ready");
  const tool = `setsid sh -c 'trap "echo interfered" TERM; : > ${ready}; while :; do sleep 0.1; done'`;
  const claude = `${tool} & tool=$!; trap 'sleep 0.5; kill -KILL $tool; exit 0' TERM`;
  const started = await shell(
    ownHomeId(t),
    `${claude}; until [ -e ${ready} ]; do sleep 0.05; done; echo; wait`,
  );
  let said = "";
  started.child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  await started.end({ clock });
  assert.deepEqual(await started.exited, { code: 0, signal: null });
  assert.equal(said, "");
});

test("what a process leaves behind at its normal exit is ended", async (t) => {
  const started = await shell(ownHomeId(t), `(${ORPHAN}); read -r wait`);
  const orphan = Number(started.firstLine);
  const gone = treeGone(started, { clock, graceMs: 300 });
  started.child.stdin.end("\n");
  assert.deepEqual(await started.exited, { code: 0, signal: null });
  assert.ok(!isGone(orphan));
  await gone;
  assert.ok(isGone(orphan));
});

test("nothing is done to a process before it has ended by itself", async (t) => {
  const started = await shell(ownHomeId(t), "echo; read -r wait");
  const gone = treeGone(started, { clock, graceMs: 0 });
  await setTimeout(100); // the time in which a killTree would have killed it
  started.child.stdin.end("\n");
  await gone;
  assert.deepEqual(await started.exited, { code: 0, signal: null });
});

test("a tree that has gone may be ended again", async (t) => {
  const started = await shell(ownHomeId(t), "echo");
  await started.end({ clock });
  await started.end({ clock });
});

test("a pid that was given again is never hit", async (t) => {
  const { pid } = stranger(t, "setsid", "sleep", "300");
  await killTree(
    { pid, startTime: 1, marker: { homeId: ownHomeId(t), generation: 1 } },
    { clock, graceMs: 0 },
  );
  assert.ok(!isGone(pid));
});

test("a pid that is given again between the look and the signal is not hit", async (t) => {
  const { pid } = stranger(t, "sleep", "300");
  const looks = [[{ ...someone, pid }], [], []];
  await endAll(async () => looks.shift() ?? [], { clock, graceMs: 0 }, { wholeGroups: true });
  await setTimeout(50); // the time in which a signal would have hit it
  assert.ok(!isGone(pid));
});

test("nothing is left only when two looks in a row found nothing", async () => {
  const looks = [[], [someone], [], []];
  assert.deepEqual(await endAll(async () => looks.shift() ?? [], { clock }, { wholeGroups: true }), [
    someone,
  ]);
  assert.equal(looks.length, 0);
});

test("a zombie counts as gone", async (t) => {
  const { firstLine } = await shell(ownHomeId(t), "sleep 0 & echo $!; exec sleep 300");
  await until(() => isGone(Number(firstLine)));
  const table = await processTable(0);
  assert.ok(table.every(({ pid }) => pid !== Number(firstLine)));
});

test("the group of a pid that was given again is not a member", () => {
  const marker = { homeId: "0123456789abcdef", generation: 1 };
  const tree = { pid: 10, startTime: 100, marker };
  const entry = (pid: number, more: Partial<ProcessEntry>): ProcessEntry => ({
    ...{ ...someone, pid, group: pid, session: pid, startTime: 200 },
    ...more,
  });
  const inGroup = entry(11, { group: 10, session: 10 });
  const pids = (...table: ProcessEntry[]) => membersOf(tree, table).map(({ pid }) => pid);
  assert.deepEqual(pids(entry(10, { startTime: 100 }), inGroup), [10, 11]);
  assert.deepEqual(pids(inGroup), [11]);
  assert.deepEqual(pids(entry(10, {}), inGroup), []);
  assert.deepEqual(pids(entry(11, { group: 10, session: 5 })), []);
  assert.deepEqual(pids(entry(10, {}), entry(12, { marker })), [12]);
  assert.deepEqual(pids(entry(12, { marker: { ...marker, generation: 2 } })), []);
  assert.deepEqual(
    pids(entry(7, { parent: 8 }), entry(8, { parent: 12 }), entry(12, { marker })),
    [7, 8, 12],
  );
});

test("what is still there 10 s after SIGKILL is named", async () => {
  const survivor = { ...someone, state: "D" };
  let time = 0;
  const fast: Clock = {
    ...clock,
    monotonic: () => time,
    after(ms, fn) {
      time += ms;
      queueMicrotask(fn);
      return () => {};
    },
  };
  await assert.rejects(
    endAll(async () => [survivor], { clock: fast }, { wholeGroups: true }),
    (error) => error instanceof TreeSurvivedError && error.pids.includes(survivor.pid),
  );
  assert.ok(time >= 13_000 && time < 14_000, `${time}`);
});
