/** Which file a command names, and why something could not be started. */
import { accessSync, constants, statSync } from "node:fs";
import { resolve } from "node:path";

/** Thrown when a process could not be started; nothing is left of the attempt. */
export class SpawnError extends Error {
  override readonly name = "SpawnError";
  /**
   * `command_not_found`, `cwd_not_found`: what was asked for is not there.
   * `spawn_failed`: the system refused, mostly for its limit of processes or open files; it may work later.
   */
  readonly code: "command_not_found" | "cwd_not_found" | "spawn_failed";

  constructor(code: SpawnError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The absolute path of the file that `command` names: itself when it contains a slash (relative to `cwd`),
 * else the first of that name on `searchPath`. Undefined when there is none that can be executed.
 */
export function findCommand(command: string, cwd: string, searchPath = "/usr/bin:/bin"): string | undefined {
  const folders = command.includes("/") ? [""] : searchPath.split(":");
  return folders.map((folder) => resolve(cwd, folder, command)).find(isExecutable);
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
