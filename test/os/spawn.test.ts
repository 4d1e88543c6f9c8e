import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { bestGuard } from "../../src/os/guard.ts";
import { spawnGuarded } from "../../src/os/index.ts";
import {
  isGone,
  killNow,
  ownFolder,
  ownHomeId,
  PATH,
  runScript,
  shell,
  until,
  watchers,
} from "./fixtures.ts";

for (const guard of ["pdeathsig", "watcher"] as const) {
  describe(`a process guarded by ${guard}`, () => {
    test("has the given environment and the marker, and nothing else", async (t) => {
      const homeId = ownHomeId(t);
      const { child } = spawnGuarded({
        command: "/usr/bin/env",
        args: ["-0"],
        cwd: "/",
        env: { GREETING: "two words\nand a line", EMPTY: "", UNSET: undefined },
        marker: { homeId, generation: 42 },
        guard,
      });
      const entries = (await text(child.stdout)).split("\0").filter(Boolean).sort();
      assert.deepEqual(entries, [
        "EMPTY=",
        "GREETING=two words\nand a line",
        `SWITCHBOARD_PROCESS=${homeId}/42`,
      ]);
    });

    test("dumps no core", { skip: process.platform !== "linux" }, async (t) => {
      const { child } = spawnGuarded({
        command: "sh",
        args: ["-c", "ulimit -S -c; ulimit -H -c"],
        cwd: "/",
        env: { PATH },
        marker: { homeId: ownHomeId(t), generation: 1 },
        guard,
      });
      assert.match(await text(child.stdout), /^0\n0\n/);
    });

    test("is the command itself, led by pipes, with its own exit code", async (t) => {
      const { child, pid, exited } = spawnGuarded({
        command: "sh",
        args: ["-c", 'read -r line; echo "$$ $PWD $line"; exit 7'],
        cwd: "/usr",
        env: { PATH },
        marker: { homeId: ownHomeId(t), generation: 1 },
        guard,
      });
      child.stdin.write("hello\n");
      assert.equal(await text(child.stdout), `${pid} /usr hello\n`);
      assert.deepEqual(await exited, { code: 7, signal: null });
    });

    test("inherits no pipe of another process or watcher", async (t) => {
      const homeId = ownHomeId(t);
      const descriptors = async () => {
        const { pid } = await shell(homeId, "echo; read -r wait", { guard });
        return readdirSync(`/proc/${pid}/fd`);
      };
      assert.deepEqual(await descriptors(), await descriptors());
    });

    test("dies with the daemon, and so does the tool that it ends itself", async (t) => {
      const homeId = ownHomeId(t);
      const claude = "sleep 300 & tool=$!; trap 'kill $tool; exit 0' TERM; echo $$ $tool; wait";
      const daemon = await runScript(t, "daemon.ts", [homeId, guard, claude, claude]);
      const pids = pidsIn(daemon.firstLine);
      assert.equal(pids.length, 4);
      await killNow(daemon.child);
      await until(() => pids.every(isGone));
    });

    test("dies with the daemon although it holds a tool that nobody ends", async (t) => {
      const homeId = ownHomeId(t);
      const daemon = await runScript(t, "daemon.ts", [homeId, guard, "sleep 300 & echo $$ $!; wait"]);
      const [pid = 0, tool = 0] = pidsIn(daemon.firstLine);
      await killNow(daemon.child);
      // The kernel's signal reaches the process alone; the watcher ends the group.
      await until(() => isGone(pid) && (guard === "pdeathsig" || isGone(tool)));
    });

    test("throws what is missing, and leaves nothing behind", async (t) => {
      const folder = ownFolder(t);
      const marker = { homeId: ownHomeId(t), generation: 1 };
      writeFileSync(join(folder, "no-program"), "", { mode: 0o644 });
      const attempt = (command: string, cwd: string) => () =>
        spawnGuarded({ command, args: [], cwd, env: { PATH }, marker, guard });
      assert.throws(attempt("/no/such/program", "/"), {
        code: "command_not_found",
        message: /\/no\/such\/program/,
      });
      assert.throws(attempt("no-such-program", "/"), {
        code: "command_not_found",
        message: /no-such-program/,
      });
      assert.throws(attempt("./no-program", folder), { code: "command_not_found" });
      assert.throws(attempt(".", folder), { code: "command_not_found" });
      assert.throws(attempt("sh", "/no/such/folder"), {
        code: "cwd_not_found",
        message: /\/no\/such\/folder/,
      });
      await until(() => watchers().length === 0);
    });
  });
}

function pidsIn(line: string): number[] {
  return (line.match(/\d+/g) ?? []).map(Number);
}

test("a process that ignores SIGTERM dies with the daemon when a watcher guards it", async (t) => {
  const script = "trap '' TERM; echo $$; while :; do sleep 1; done";
  const daemon = await runScript(t, "daemon.ts", [ownHomeId(t), "watcher", script]);
  const [pid = 0] = pidsIn(daemon.firstLine);
  await killNow(daemon.child);
  await until(() => isGone(pid));
});

test("a watcher ends with its process", async (t) => {
  await until(() => watchers().length === 0);
  const { child } = await shell(ownHomeId(t), "echo; sleep 300", { guard: "watcher" });
  assert.equal(watchers().length, 1);
  child.kill("SIGKILL");
  await until(() => watchers().length === 0);
});

test("a watcher leaves alone what its process left behind: that is for treeGone", async (t) => {
  const started = await shell(ownHomeId(t), "sleep 300 & echo $!", { guard: "watcher" });
  await started.exited;
  await until(() => watchers().length === 0);
  assert.ok(!isGone(Number(started.firstLine)));
});

test("a worker thread uses the watcher, since pdeathsig would fire at the thread's end", async () => {
  assert.equal(bestGuard(), "pdeathsig");
  const module = JSON.stringify(new URL("../../src/os/guard.ts", import.meta.url));
  const post = `import(${module}).then((guard) => require("node:worker_threads").parentPort.postMessage(guard.bestGuard()))`;
  const [answer] = await once(new Worker(post, { eval: true }), "message");
  assert.equal(answer, "watcher");
});

test("1 MB on stderr blocks nothing, and its last 4 kB are kept", async (t) => {
  const script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; printf 'the last words' >&2; echo done; exit 3";
  const started = await shell(ownHomeId(t), script);
  assert.deepEqual(await started.exited, { code: 3, signal: null });
  assert.equal(started.firstLine, "done");
  assert.equal(started.stderrTail(), `${"x".repeat(4096 - 14)}the last words`);
});

test("writing to a process that reads no more is an error of that write alone", async (t) => {
  const { child } = await shell(ownHomeId(t), "exec <&-; echo; sleep 300");
  await assert.rejects(new Promise((_, reject) => child.stdin.write("too late", reject)), { code: "EPIPE" });
});
