/** On what the run was made: numbers without it say nothing. */

import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";

/** One line. `folder`: where the run writes, for a commit is as fast as the disk under it. */
export function describeMachine(folder: string): string {
  const { version: sdk, claudeCodeVersion } = sdkPackage();
  const [load = 0] = loadavg();
  return [
    `${platform()} ${release()} ${arch()}`,
    `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `load ${load.toFixed(1)} before the run`,
    `files in ${folder} on ${fileSystemOf(folder)}`,
    `Node ${process.versions.node}`,
    `SQLite ${process.versions.sqlite}`,
    `Agent SDK ${sdk}`,
    `Claude Code ${claudeCodeVersion}`,
  ].join(", ");
}

function sdkPackage(): { version: string; claudeCodeVersion: string } {
  const file = findPackageJSON("@anthropic-ai/claude-agent-sdk", import.meta.url);
  if (file === undefined) throw new Error("the Agent SDK is not installed");
  return JSON.parse(readFileSync(file, "utf8"));
}

/** By Linux' table of mounts: kind and device. */
function fileSystemOf(folder: string): string {
  if (platform() !== "linux") return "an unknown file system";
  const [mount] = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .map(([device = "", point = "", kind = ""]) => ({ device, point, kind }))
    .filter(({ point }) => point === "/" || folder === point || folder.startsWith(`${point}/`))
    .sort((a, b) => b.point.length - a.point.length);
  return mount === undefined ? "an unknown file system" : `${mount.kind} (${mount.device})`;
}
