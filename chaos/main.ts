/**
 * `npm run chaos`: many chats and a scripted model, faults at chosen points, and an auditor that looks through what is left.
 * The seed decides who writes what and which faults strike; when they strike is the machine's.
 * What the checks mean stands with them, in chaos/audit/checks.
 */

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lineOf, measureRecovery } from "./fifty.ts";
import { runRound } from "./round.ts";
import { runSabotages } from "./sabotage/run.ts";

const usage = `npm run chaos -- [options]

  --minutes N    how long faults strike (1)
  --seconds N    the same in seconds
  --seed TEXT    of traffic and faults (random, and printed)
  --chats N      chats that write (10)
  --kills N      go on until there were so many kills in all (0)
  --least N      kills that each point must have had at the end (1); until then faults strike up to 50 s longer
  --sabotages    instead: break the source on purpose, in copies, and see that each break is found
  --only NAME    of the sabotages
  --fifty        instead: kill a daemon with 50 chats in mid-turn, and measure until everything has its end
  --dir PATH     where the run's folder is made (${tmpdir()})
  --keep         leave the folder also when nothing is wrong
  --help`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seconds: { type: "string" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
    chats: { type: "string", default: "10" },
    kills: { type: "string", default: "0" },
    least: { type: "string", default: "1" },
    sabotages: { type: "boolean", default: false },
    only: { type: "string" },
    fifty: { type: "boolean", default: false },
    dir: { type: "string", default: tmpdir() },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** Chats that are in the middle of a turn when the daemon is killed. */
const inMidTurn = 50;

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => ending.abort(new Error(`ended by ${signal}`)));
}
try {
  if (values.help) console.log(usage);
  else if (values.sabotages) process.exitCode = (await sabotages()) ? 0 : 1;
  else if (values.fifty) await fifty();
  else process.exitCode = (await round()) ? 0 : 1;
} catch (error) {
  console.error(`chaos: ${error instanceof Error ? error.message : error}`);
  // What still listens would keep a failed run from ending.
  process.exit(1);
}

async function round(): Promise<boolean> {
  const { seed } = values;
  const chats = count("chats", values.chats);
  const kills = count("kills", values.kills, 0);
  const plan = { seed, seconds: seconds(), chats, kills, leastKills: count("least", values.least, 0) };
  const folder = mkdtempSync(join(realpathSync(values.dir), "switchboard-chaos-"));
  console.log(`seed ${seed}, evidence in ${folder}`);
  const { signal } = ending;
  const coverage = await runRound({ ...plan, folder, signal, say: (text) => console.error(text) });
  writeFileSync(join(folder, "coverage.md"), `${coverage.markdown}\n`);
  console.log(`\n${coverage.markdown}\n\n${coverage.kills} kills`);
  if (coverage.missing.length > 0) console.log(`not covered: ${coverage.missing.join(", ")}`);
  const auditor = join(import.meta.dirname, "audit/main.ts");
  const { status } = spawnSync(process.execPath, [auditor, folder], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const clean = status === 0 && coverage.missing.length === 0;
  if (clean && !values.keep) rmSync(folder, { recursive: true, force: true });
  else console.log(`seed ${values.seed}: look into ${folder}`);
  return clean;
}

async function fifty(): Promise<void> {
  const folder = mkdtempSync(join(realpathSync(values.dir), "switchboard-fifty-"));
  try {
    console.log(lineOf(await measureRecovery(folder, inMidTurn, ending.signal)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sabotages(): Promise<boolean> {
  const { only } = values;
  const plan = {
    seed: values.seed,
    seconds: seconds(),
    chats: count("chats", values.chats),
    parent: realpathSync(values.dir),
    signal: ending.signal,
  };
  return runSabotages(only === undefined ? plan : { ...plan, only });
}

function seconds(): number {
  if (values.seconds !== undefined) return count("seconds", values.seconds);
  return 60 * count("minutes", values.minutes);
}

function count(name: string, text: string, least = 1): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < least)
    throw new Error(`--${name} must be a whole number from ${least} to 999999: ${text}`);
  return Number(text);
}
