/** Finds out what there is to know of an installation, for `checks.ts` to judge. Changes nothing. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, stat, statfs } from "node:fs/promises";
import { createRequire } from "node:module";
import { freemem, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { claudeExecutable, claudeVersion } from "../claude/index.ts";
import { type Config, loadConfig } from "../config.ts";
import { judge } from "../contacts/gate.ts";
import { tiersOf } from "../contacts/tiers.ts";
import { SwitchboardError } from "../errors.ts";
import type { Upstream } from "../switchboard.ts";
import type { Facts, FileFact } from "./checks.ts";

const run = promisify(execFile);

/** ms that anything that is asked may take. */
const patienceMs = 10_000;

export interface InstallationOptions {
  home: string;
  upstream: Upstream;
  /** Where the credential is from, in words that do not show it; null: there is none. */
  credentialFrom: string | null;
}

export async function factsOf({ home, upstream, credentialFrom }: InstallationOptions): Promise<Facts> {
  const file = join(home, "switchboard.toml");
  const { config, error } = configOf(file);
  const [installedClaude, disk, files, asked, setpriv, bubblewrap, socat, daemon] = await Promise.all([
    versionOf(claudeExecutable),
    freeSpace(home),
    filesOf(home),
    ask(upstream),
    isThere("setpriv"),
    isThere("bwrap"),
    isThere("socat"),
    daemonOf(home),
  ]);
  return {
    node: process.version,
    sdk: { installed: installedSdk(), tested: testedSdk() },
    claude: { installed: installedClaude, tested: claudeVersion },
    config: { file, error },
    home: { path: home, files },
    disk,
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    clockAheadMs: asked?.clockAheadMs ?? null,
    credential: { from: credentialFrom },
    upstream: asked,
    setpriv,
    sandbox: { bubblewrap, socat },
    unboundTiers: config === null ? [] : unboundTiers(config),
    daemon,
    platform: process.platform,
  };
}

function configOf(file: string): { config: Config | null; error: string | null } {
  try {
    const config = loadConfig(file);
    tiersOf(config);
    return { config, error: null };
  } catch (error) {
    if (!(error instanceof SwitchboardError)) throw error;
    return { config: null, error: error.message };
  }
}

/** Those that may run whatever they like. */
function unboundTiers(config: Config): string[] {
  const reach = { kind: "command" as const, command: "anything > $at_all" };
  const ground = { work: "/", kept: [], home: "/" };
  return [...tiersOf(config).all]
    .filter((policy) => !policy.sandbox && judge({ name: "Bash", reach }, policy, ground).verdict === "allow")
    .map(({ tier }) => tier);
}

async function versionOf(executable: string | undefined): Promise<string | null> {
  if (executable === undefined) return null;
  const { stdout } = await run(executable, ["--version"], { env: {}, timeout: patienceMs }).catch(() => ({
    stdout: "",
  }));
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? null;
}

const sdkName = "@anthropic-ai/claude-agent-sdk";

function installedSdk(): string | null {
  try {
    const main = createRequire(import.meta.url).resolve(sdkName);
    const { version } = JSON.parse(readFileSync(join(dirname(main), "package.json"), "utf8"));
    return String(version);
  } catch {
    return null;
  }
}

function testedSdk(): string {
  const { dependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return String(dependencies[sdkName]);
}

/** Of the file system that the home is on, or will be. */
async function freeSpace(path: string): Promise<Facts["disk"]> {
  try {
    const { bavail, bsize } = await statfs(path);
    return { freeBytes: bavail * bsize };
  } catch {
    return dirname(path) === path ? null : await freeSpace(dirname(path));
  }
}

/** The home, and those in it that hold secrets. */
async function filesOf(home: string): Promise<FileFact[]> {
  const names = ["", "token", "switchboard.toml", "switchboard.db", "spaces", "transcripts"];
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(home, name);
      const { mode, uid } = await stat(path).catch(() => ({ mode: null, uid: 0 }));
      // What the home's own mode keeps from others need not be closed itself.
      const matters = name === "" || name === "token";
      return mode === null ? [] : [{ path, mode: matters ? mode : 0, isOurs: uid === process.geteuid?.() }];
    }),
  );
  return found.flat();
}

interface Asked {
  url: string;
  status: number | null;
  error: string | null;
  clockAheadMs: number | null;
}

/** The smallest thing that tells whether the credential is taken: the tokens of a word, which cost nothing. */
async function ask(upstream: Upstream): Promise<Asked | null> {
  // How a provider of Claude's own is asked is for Claude Code to know.
  if (upstream === "offline" || "environment" in upstream) return null;
  const url = upstream.baseUrl ?? "https://api.anthropic.com";
  try {
    const answer = await fetch(`${url.replace(/\/$/, "")}/v1/messages/count_tokens`, {
      method: "POST",
      headers: {
        ...{ "content-type": "application/json", "anthropic-version": "2023-06-01" },
        ...(upstream.apiKey !== undefined && { "x-api-key": upstream.apiKey }),
        ...(upstream.authToken !== undefined && { authorization: `Bearer ${upstream.authToken}` }),
      },
      body: JSON.stringify({ model: "claude-haiku-4-5", messages: [{ role: "user", content: "Hello" }] }),
      signal: AbortSignal.timeout(patienceMs),
    });
    await answer.body?.cancel();
    const date = Date.parse(answer.headers.get("date") ?? "");
    const clockAheadMs = Number.isNaN(date) ? null : Date.now() - date;
    return { url, status: answer.status, error: null, clockAheadMs };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return {
      url,
      status: null,
      error: cause instanceof Error ? cause.message : String(cause),
      clockAheadMs: null,
    };
  }
}

async function isThere(command: string): Promise<boolean> {
  return await run(command, ["--version"], { timeout: patienceMs }).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}

async function daemonOf(home: string): Promise<Facts["daemon"]> {
  try {
    const url = (await readFile(join(home, "url"), "utf8")).trim();
    const health: unknown = await (
      await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) })
    ).json();
    const pid = typeof health === "object" && health !== null && "pid" in health ? health.pid : null;
    return typeof pid === "number" ? { url, pid } : null;
  } catch {
    return null;
  }
}
