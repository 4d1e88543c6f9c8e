/**
 * For `node --test --test-global-setup=test/support/global.ts`: gives the run one temporary folder, in which all
 * temporary folders of all tests lie, and fails the run when a process is left that names it.
 *
 * The folder is handed on as TMPDIR, which `os.tmpdir()` reads, so a test that is run alone needs nothing of this.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { killHard, type ProcessInfo, processesNaming } from "./processes.ts";

/** ms that what is about to end gets. */
const graceMs = 3000;

let root: string | undefined;

export function globalSetup(): void {
  // Short: sockets in it must keep below the 108 bytes that a Unix socket's path may have.
  root = mkdtempSync(join(realpathSync(tmpdir()), "swb-"));
  process.env.TMPDIR = root;
  // Hundreds of processes of ours are started: only the first of them compiles.
  process.env.NODE_COMPILE_CACHE = join(root, "compiled");
}

export async function globalTeardown(): Promise<void> {
  if (root === undefined) return;
  const left = process.platform === "linux" ? await leftIn(root) : [];
  for (const { pid, command } of left) {
    console.error(`✖ a test left process ${pid} running: ${command}`);
    killHard(pid);
  }
  rmSync(root, { recursive: true, force: true });
  // An error thrown here would fail the run, but unseen.
  if (left.length > 0) process.exitCode = 1;
}

async function leftIn(folder: string): Promise<ProcessInfo[]> {
  for (const deadline = performance.now() + graceMs; ; await setTimeout(50)) {
    const left = processesNaming(folder);
    if (left.length === 0 || performance.now() > deadline) return left;
  }
}
