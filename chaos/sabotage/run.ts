/**
 * Applies each sabotage to a copy of the tree, runs a round there, and looks whether its check finds it. The same round on
 * the source as it is comes first: a check that finds something there as well cannot tell the two apart.
 */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Violation } from "../audit/violation.ts";
import { files } from "../evidence.ts";
import { sabotages } from "./sabotages.ts";

export interface SabotagePlan {
  readonly seed: string;
  /** How long faults strike in each round. */
  readonly seconds: number;
  readonly chats: number;
  /** One of them alone, by its name. */
  readonly only?: string;
  /** Where the copies are made. */
  readonly parent: string;
  readonly signal: AbortSignal;
}

const root = join(import.meta.dirname, "../..");
/** What a round needs of the tree. */
const copied = ["src", "chaos", "package.json"] as const;

/** Prints the table; true when each was found by its check, which was silent without it. */
export async function runSabotages(plan: SabotagePlan): Promise<boolean> {
  const chosen = sabotages.filter(({ name }) => plan.only === undefined || name === plan.only);
  if (chosen.length === 0) {
    const names = sabotages.map(({ name }) => name).join(", ");
    throw new Error(`--only must be one of ${names}: ${plan.only}`);
  }
  const parent = mkdtempSync(join(plan.parent, "switchboard-sabotage-"));
  try {
    console.log(`seed ${plan.seed}, ${plan.seconds} s a round`);
    const before = await violationsOf(plan, parent, null);
    console.log(`| sabotage | check | found | found without it |\n|---|---|--:|--:|`);
    let good = true;
    for (const { name, check } of chosen) {
      const count = (found: readonly Violation[]) =>
        found.filter((violation) => violation.check === check).length;
      const found = count(await violationsOf(plan, parent, name));
      console.log(`| ${name} | ${check} | ${found} | ${count(before)} |`);
      good &&= found > 0 && count(before) === 0;
    }
    return good;
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

/** What the auditor finds after a round on a copy with the patch, or on one without any. */
async function violationsOf(plan: SabotagePlan, parent: string, patch: string | null): Promise<Violation[]> {
  const tree = join(parent, patch ?? "as-it-is");
  mkdirSync(tree);
  for (const path of copied) cpSync(join(root, path), join(tree, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  if (patch !== null) await run(plan, tree, "git", "apply", join(import.meta.dirname, `${patch}.patch`));
  const rounds = join(parent, "rounds");
  mkdirSync(rounds);
  try {
    const { seed, seconds, chats } = plan;
    const options = Object.entries({ seed, seconds, chats, dir: rounds });
    const chaos = ["chaos/main.ts", "--keep", ...options.map(([name, value]) => `--${name}=${value}`)];
    // Its own verdict does not matter here.
    await run(plan, tree, process.execPath, ...chaos);
    const [folder] = readdirSync(rounds);
    if (folder === undefined || !existsSync(join(rounds, folder, files.end)))
      throw new Error(`the round on ${patch ?? "the source as it is"} did not come to its end`);
    const audit = [join(root, "chaos/audit/main.ts"), join(rounds, folder), "--json"];
    return JSON.parse(await run(plan, tree, process.execPath, ...audit));
  } finally {
    rmSync(rounds, { recursive: true, force: true });
  }
}

/** Exit code 1 is a verdict, not a failure. Resolves with what it printed. */
async function run(
  { signal }: SabotagePlan,
  cwd: string,
  command: string,
  ...args: string[]
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
    signal,
    killSignal: "SIGTERM",
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [printed, code] = await Promise.all([text(child.stdout), ended]);
  const allowed = command === process.execPath ? [0, 1] : [0];
  if (code === null || !allowed.includes(code))
    throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return printed;
}
