import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "../../src/clock.ts";
import { lockHome } from "../../src/os/index.ts";
import { startTimeOf } from "../../src/os/process-table.ts";
import { killNow, ownFolder, runScript, stranger } from "./fixtures.ts";

async function taken(home: string) {
  const lock = await lockHome(home, { clock });
  assert.ok(!("heldBy" in lock), "the lock is held");
  return lock;
}

/** A home that the process `pid` has claimed, and its lock file. */
function claimed(t: TestContext, pid: number) {
  const home = ownFolder(t);
  const file = new DatabaseSync(join(home, "lock"));
  t.after(() => file.close());
  file.exec("CREATE TABLE holder (id TEXT, pid INTEGER, start_time INTEGER, since INTEGER)");
  file.prepare("INSERT INTO holder VALUES ('theirs', ?, ?, 0)").run(pid, startTimeOf(pid) ?? 0);
  return { home, file };
}

test("a second starter learns who holds the lock, and since when", async (t) => {
  const home = ownFolder(t);
  const begun = Date.now();
  const holder = await runScript(t, "lock-starter.ts", [home]);
  const answer = await lockHome(home, { clock });
  assert.ok("heldBy" in answer);
  assert.equal(answer.heldBy.pid, holder.pid);
  assert.ok(answer.heldBy.since >= begun && answer.heldBy.since <= Date.now());
});

test("the lock is free when its holder was killed", async (t) => {
  const home = ownFolder(t);
  const holder = await runScript(t, "lock-starter.ts", [home]);
  await killNow(holder.child);
  (await taken(home)).release();
});

test("of ten starters at once one gets the lock, and the others name it", async (t) => {
  const home = ownFolder(t);
  const starters = await Promise.all(
    Array.from({ length: 10 }, () => runScript(t, "lock-starter.ts", [home])),
  );
  const answers = starters.map(({ firstLine }) => JSON.parse(firstLine));
  const winners = answers.filter(({ won }) => won !== undefined);
  assert.equal(winners.length, 1, JSON.stringify(answers));
  for (const { won, heldBy } of answers) assert.equal(won ?? heldBy.pid, winners[0].won);
});

test("of two starters in one process one gets the lock, and a release gives it to the next", async (t) => {
  const home = ownFolder(t);
  const first = await taken(home);
  const second = await lockHome(home, { clock });
  assert.ok("heldBy" in second && second.heldBy.pid === process.pid);
  const third = await runScript(t, "lock-starter.ts", [home]);
  assert.equal(JSON.parse(third.firstLine).heldBy.pid, process.pid);
  first.release();
  first.release();
  const next = await runScript(t, "lock-starter.ts", [home]);
  assert.equal(JSON.parse(next.firstLine).won, next.pid);
});

test("a released home is free without waiting", async (t) => {
  const home = ownFolder(t);
  (await taken(home)).release();
  const after = () => assert.fail("it waits");
  const lock = await lockHome(home, { clock: { ...clock, after } });
  assert.ok("release" in lock);
  lock.release();
});

test("a starter that has claimed the home and not yet locked it is let through", async (t) => {
  const { home, file } = claimed(t, stranger(t, "sleep", "300").pid);
  const answer = lockHome(home, { clock });
  file.exec("BEGIN IMMEDIATE");
  assert.ok("heldBy" in (await answer));
});

test("a lock that is held for a moment under a dead process' claim is waited for", async (t) => {
  const dead = stranger(t, "true");
  await once(dead, "exit");
  const { home, file } = claimed(t, dead.pid);
  file.exec("BEGIN IMMEDIATE");
  const answer = lockHome(home, { clock });
  file.exec("ROLLBACK");
  const lock = await answer;
  assert.ok("release" in lock);
  lock.release();
});

test("a folder that cannot be written is named", async (t) => {
  const home = join(ownFolder(t), "none");
  await assert.rejects(lockHome(home, { clock }), {
    code: "unwritable",
    message: new RegExp(`^cannot lock ${home}/lock: `),
  });
});

test("a file that is no lock is named and kept", async (t) => {
  for (const content of ["12345\n", "x".repeat(10_000)]) {
    const home = ownFolder(t);
    const file = join(home, "lock");
    writeFileSync(file, content);
    await assert.rejects(lockHome(home, { clock }), {
      code: "not_a_lock",
      message: new RegExp(`^${file} is no lock`),
    });
    assert.equal(readFileSync(file, "utf8"), content);
  }
  const home = ownFolder(t);
  mkdirSync(join(home, "lock"));
  await assert.rejects(lockHome(home, { clock }), { code: "unwritable" });
});
