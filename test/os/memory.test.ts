import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { test } from "node:test";
import { memoryOfTrees, totalMemory } from "../../src/os/index.ts";
import { ownHomeId, shell } from "./fixtures.ts";

const MB = 1e6;

test("the memory of a tree includes what its children allocated", async (t) => {
  const allocate =
    'const held = Buffer.alloc(50e6, 1); console.log("ready"); setInterval(() => held, 60_000)';
  const started = await shell(ownHomeId(t), `"${process.execPath}" -e '${allocate}' & wait`);
  const other = await shell(ownHomeId(t), "echo ready; sleep 60");
  const bytes = await memoryOfTrees([started.pid, other.pid]);
  const [heavy = 0, light = 0] = [bytes.get(started.pid), bytes.get(other.pid)];
  assert.ok(heavy > 50 * MB && heavy < 500 * MB, `${heavy}`);
  assert.ok(light > 0 && light < 50 * MB, `${light}`);
});

test("what its parent has left behind in its session still counts", async (t) => {
  const allocate =
    'const held = Buffer.alloc(50e6, 1); console.log("ready"); setInterval(() => held, 60_000)';
  const script = `( "${process.execPath}" -e '${allocate}' & ) ; wait; sleep 60`;
  const { pid } = await shell(ownHomeId(t), script);
  const bytes = (await memoryOfTrees([pid])).get(pid) ?? 0;
  assert.ok(bytes > 50 * MB, `${bytes}`);
});

test("a process that has gone takes no memory", async (t) => {
  const { pid, exited } = await shell(ownHomeId(t), "echo");
  await exited;
  assert.deepEqual(await memoryOfTrees([pid]), new Map([[pid, 0]]));
});

test("no more than the machine's memory is there to be used", () => {
  assert.ok(totalMemory() > 100 * MB && totalMemory() <= totalmem());
});
