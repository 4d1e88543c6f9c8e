/** Whether commands can be run in a sandbox on this machine. Claude Code brings the sandbox; the system has to bring its parts. */

import { spawnSync } from "node:child_process";
import { findCommand } from "./command.ts";

/** What a sandbox on Linux is made of, by the command that has to be there. */
const parts = ["bwrap", "socat"];

/** Why there can be none, in words; null: there can. `path`: where Claude's processes find commands. */
export function whyNoSandbox(path: string): string | null {
  // macOS has its own.
  if (process.platform !== "linux") return null;
  const missing = parts.filter((part) => findCommand(part, "/", path) === undefined);
  if (missing.length > 0) return `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} not there`;
  const bwrap = findCommand("bwrap", "/", path) ?? "bwrap";
  const { status, stderr } = spawnSync(bwrap, ["--ro-bind", "/", "/", "--unshare-net", "true"], {
    env: { PATH: path },
  });
  return status === 0 ? null : `bubblewrap does not work here: ${String(stderr).trim()}`;
}
