/** `doctor`: is everything here as it should be? It looks by itself, whether a daemon runs or not; like `start`, it is no client. */

import { join } from "node:path";
import { loadConfig } from "../config.ts";
import { upstreamOf } from "../daemon/upstream.ts";
import { type Check, checksOf, factsOf, tryWalls, type WallResult } from "../doctor/index.ts";
import { CliError } from "./exit.ts";
import { whileWaiting } from "./patience.ts";
import { bold, dim, green, printable, printJson, printLine, printPainted, red, yellow } from "./print.ts";

export interface DoctorOptions {
  home: string;
  json?: true;
}

export interface WallsOptions extends DoctorOptions {
  tier?: string;
}

const paints = { ok: green, warn: yellow, fail: red, held: green, open: yellow, broken: red };

export async function doctor({ home, json }: DoctorOptions): Promise<void> {
  const env = process.env;
  const names = ["ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"];
  const direct = directIn(home);
  const credentialFrom = direct === undefined ? (names.find((name) => env[name]) ?? null) : "api.direct";
  const facts = factsOf({ home, upstream: upstreamOf(env, direct), credentialFrom });
  const checks = checksOf(await whileWaiting("looking", facts));
  const failed = checks.filter(({ state }) => state === "fail");
  if (json !== true) for (const check of checks) printCheck(check);
  else if (failed.length === 0) printJson({ checks });
  if (failed.length > 0)
    throw new CliError("unwell", `not as it should be: ${failed.map(({ name }) => name).join(", ")}`, {
      shown: { checks },
    });
}

/** What is wrong with the file is for a check to say. */
function directIn(home: string): string[] | undefined {
  try {
    return loadConfig(join(home, "switchboard.toml")).api.direct;
  } catch {
    return undefined;
  }
}

function printCheck({ name, state, detail, remedy }: Check): void {
  printPainted(`${paints[state](state.padEnd(4))}  ${name.padEnd(11)} ${printable(detail)}`);
  if (remedy !== null) printPainted(`      ${" ".repeat(11)} ${dim(printable(remedy))}`);
}

export async function walls({ home, tier, json }: WallsOptions): Promise<void> {
  const config = loadConfig(join(home, "switchboard.toml"));
  let last = "";
  const results = await tryWalls({
    config,
    ...(tier !== undefined && { tiers: [tier] }),
    onResult(result) {
      if (json === true) return;
      if (result.tier !== last) printPainted(bold(result.tier));
      last = result.tier;
      printResult(result);
    },
  });
  const broken = results.filter(({ verdict }) => verdict === "broken");
  const open = results.filter(({ verdict }) => verdict === "open");
  const counts = { attempts: results.length, held: results.length - broken.length - open.length };
  const shown = { ...counts, open: open.length, broken: broken.length, results };
  if (broken.length > 0) {
    const what = broken.map((result) => `${result.tier}: ${result.attempt}`).join("; ");
    throw new CliError(
      "walls_broken",
      `${broken.length} of ${results.length} attempts got through: ${what}`,
      { shown },
    );
  }
  if (json === true) return printJson(shown);
  const known = open.length === 0 ? "" : `; ${open.length} got through as expected`;
  printLine(`${counts.held} of ${results.length} attempts were held${known}`);
}

function printResult({ attempt, wall, verdict, remedy }: WallResult): void {
  printPainted(`  ${paints[verdict](verdict.padEnd(6))}  ${printable(attempt)}${dim(`  ${wall}`)}`);
  if (remedy !== null) printPainted(`          ${dim(remedy)}`);
}
