/** Processes: one a session, and at the end none, with nothing left of them. */

import type { Case } from "../case.ts";
import type { Violation } from "../violation.ts";
import { general } from "./endings.ts";

/** At no moment two processes serve one session: all that lives in a space, tools included, is of one generation. */
export function oneProcess({ samples }: Case): Violation[] {
  const seen = new Set<string>();
  return samples.flatMap(({ at, processes }) =>
    [...Map.groupBy(processes, ({ space }) => space)].flatMap(([space, inSpace]) => {
      const generations = [...new Set(inSpace.map(({ generation }) => generation))];
      if (generations.length < 2) return [];
      // Told once, not once a sample.
      const key = `${space} ${generations.join()}`;
      if (seen.has(key)) return [];
      seen.add(key);
      const pids = inSpace.map(
        ({ pid, generation, claude }) => `${pid} (${claude ? "claude" : "tool"} of process ${generation})`,
      );
      return [general("one-process", `space ${space} had ${pids.join(" and ")} at ${at}`, "processes.jsonl")];
    }),
  );
}

/** After the shutdown: no process, no file of theirs outside of the home, no lock, and the ledger knows of no process. */
export function nothingLeft({ end, processes }: Case): Violation[] {
  if (end === null) return [general("nothing-left", "the round did not come to its end", "end.json")];
  const wrong = [
    ...(end.exitCode === 0 ? [] : [`the daemon ended with ${end.exitCode ?? "a signal"}`]),
    ...end.processes.map(({ pid, command }) => `process ${pid} is left: ${command.slice(0, 120)}`),
    ...end.temporary.map((name) => `${name} is left in the temporary folder`),
    ...end.sockets.map((path) => `socket ${path} is left`),
    ...(end.lockFree ? [] : ["the home's lock is held"]),
    ...(end.addressGone ? [] : ["the address is still written down"]),
    ...processes
      .filter(({ endedAt }) => endedAt === null)
      .map(({ generation }) => `process ${generation} has no end in the ledger`),
  ];
  return wrong.map((what) => general("nothing-left", what, "end.json"));
}
