/**
 * The two files by which clients on this machine find the daemon: `token` and `url`. Each is written beside its
 * place and moved there whole, so nobody ever reads half of one.
 */

import { randomBytes } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StartError, systemCode } from "./start-error.ts";

export function tokenFile(home: string): string {
  return join(home, "token");
}

/** The home's API token; made when there is none, and the home's folder with it. Throws a {@link StartError}. */
export function apiToken(home: string): string {
  const file = tokenFile(home);
  try {
    makeFolder(home);
    const token = readIfThere(file) ?? makeToken(file);
    if (!/^[\x21-\x7e]{16,}$/.test(token)) {
      throw new StartError("invalid_token", `${file} holds no token: 16 or more visible ASCII characters`, {
        hint: "Remove it to get a new one.",
      });
    }
    chmodSync(file, 0o600);
    return token;
  } catch (error) {
    if (error instanceof StartError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartError("home_unusable", `the home ${home} cannot be used: ${reason}`, {
      hint: "Name another with --home or SWITCHBOARD_HOME.",
      cause: error,
    });
  }
}

/** With its parents. Node's own way to do that never ends where a file system denies that it could (measured: /proc). */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) === "EEXIST") return;
    if (systemCode(error) !== "ENOENT") throw error;
    makeFolder(dirname(path));
    mkdirSync(path, { mode: 0o700 });
  }
}

function makeToken(file: string): string {
  const made = randomBytes(32).toString("base64url");
  const beside = writeBeside(file, made);
  try {
    // Unlike a rename, a link does not replace the token that another start has made meanwhile.
    linkSync(beside, file);
    return made;
  } catch (error) {
    const theirs = systemCode(error) === "EEXIST" ? readIfThere(file) : undefined;
    if (theirs === undefined) throw error;
    return theirs;
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Where the daemon that runs on this home says it is; undefined when none has said so. It may be long gone. */
export function readAddress(home: string): string | undefined {
  return readIfThere(join(home, "url"));
}

export function writeAddress(home: string, url: string): void {
  const file = join(home, "url");
  renameSync(writeBeside(file, url), file);
}

/** Leaves another's address alone: the home is free by now, and the next daemon may have written its own. */
export function removeAddress(home: string, url: string): void {
  if (readAddress(home) === url) rmSync(join(home, "url"), { force: true });
}

function writeBeside(file: string, content: string): string {
  const beside = `${file}.${process.pid}`;
  rmSync(beside, { force: true });
  writeFileSync(beside, `${content}\n`, { mode: 0o600, flag: "wx" });
  return beside;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
