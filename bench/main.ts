/**
 * `npm run bench`: what Switchboard costs, beside what a host has without it, in one run on the offline model.
 * Prints one Markdown table. What is measured, and how, stands in docs/performance.md.
 */

import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type AcceptsPlan, measureAccepts } from "./accepts.ts";
import { type LatencyCounts, measureLatency } from "./latency.ts";
import { describeMachine } from "./machine.ts";
import { markdown, type Row } from "./report.ts";
import type { Run } from "./run.ts";

const usage = `npm run bench -- [options]

  --live N      messages to a live session (200)
  --resumed N   messages to a resumed session (30)
  --new N       messages to a new session (30)
  --rounds N    turns of each contender for durable accepts (3)
  --slice MS    how long each of these turns is, in ms (1000)
  --quick       a smoke run of some seconds; its numbers mean nothing
  --dir PATH    where the run's temporary folder is made (${tmpdir()}); should be on the disk that the ledger will be on
  --json        JSON instead of the table
  --help`;

interface Plan {
  latency: LatencyCounts;
  accepts: AcceptsPlan;
  dir: string;
  json: boolean;
}

const full = { live: 200, resumed: 30, new: 30, rounds: 3, slice: 1000 };
const quick = { live: 3, resumed: 1, new: 1, rounds: 1, slice: 50 };

function planOf(args: string[]): Plan | null {
  const number = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      live: number,
      resumed: number,
      new: number,
      rounds: number,
      slice: number,
      quick: { type: "boolean", default: false },
      dir: { type: "string", default: tmpdir() },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const count = (name: keyof typeof full): number => {
    const given = values[name];
    if (given === undefined) return (values.quick ? quick : full)[name];
    if (!/^[1-9]\d{0,6}$/.test(given)) throw new Error(`--${name} must be a whole number from 1: ${given}`);
    return Number(given);
  };
  return {
    latency: { live: count("live"), resumed: count("resumed"), new: count("new") },
    accepts: { rounds: count("rounds"), sliceMs: count("slice") },
    dir: values.dir,
    json: values.json,
  };
}

/** Runs the plan in a folder of its own, which is gone at the end. */
async function measure(
  { latency, accepts, dir }: Plan,
  signal: AbortSignal,
): Promise<{ machine: string; rows: Row[] }> {
  const parent = realpathSync(dir);
  const folder = mkdtempSync(join(parent, "switchboard-bench-"));
  try {
    const machine = describeMachine(parent);
    const run: Run = { folder, signal, say: (text) => console.error(text) };
    return {
      machine,
      rows: [...(await measureLatency(latency, run)), ...(await measureAccepts(accepts, run))],
    };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => ending.abort(new Error(`ended by ${signal}`)));
}
try {
  const plan = planOf(process.argv.slice(2));
  if (plan === null) {
    console.log(usage);
  } else {
    const { machine, rows } = await measure(plan, ending.signal);
    console.log(plan.json ? JSON.stringify({ machine, rows }, null, 2) : `${machine}\n\n${markdown(rows)}`);
  }
} catch (error) {
  const reason: unknown = ending.signal.aborted ? ending.signal.reason : error;
  console.error(`bench: ${reason instanceof Error ? reason.message : reason}`);
  process.exitCode = 1;
}
