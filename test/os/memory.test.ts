import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { test } from "node:test";
import { memory, totalMemory } from "../../src/os/index.ts";
import { ownHomeId, shell } from "./fixtures.ts";

const MB = 1e6;

test("the memory of a tree includes what its children allocated", async (t) => {
  const allocate =
    'const held = Buffer.alloc(50e6, 1); console.log("ready"); setInterval(() => held, 60_000)';
  const started = await shell(ownHomeId(t), `"${process.execPath}" -e '${allocate}' & wait`);
  const bytes = await memory(started.pid);
  assert.ok(bytes > 50 * MB && bytes < 500 * MB, `${bytes}`);
});

test("a process that has gone takes no memory", async (t) => {
  const { pid, exited } = await shell(ownHomeId(t), "echo");
  await exited;
  assert.equal(await memory(pid), 0);
});

test("no more than the machine's memory is there to be used", () => {
  assert.ok(totalMemory() > 100 * MB && totalMemory() <= totalmem());
});
