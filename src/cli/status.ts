/** `status`: how it goes, at a glance: the daemon, what waits and for what, what today was like. */

import type { HostView, OverviewView } from "../views.ts";
import type { Client } from "./client.ts";
import { printable, printJson, printLine, printPainted, red, yellow } from "./print.ts";
import { mebibytes } from "./sessions.ts";
import { troubleText } from "./trouble.ts";

export async function status(client: Client, { json }: { json?: true }): Promise<void> {
  const [host, overview] = await Promise.all([
    client.get<HostView>("/v1/host"),
    client.get<OverviewView>("/v1/overview?hours=1"),
  ]);
  if (json === true) return printJson({ host, overview });
  if (host.trouble !== null) printPainted(red(printable(troubleText(host.trouble))));
  if (host.config.refused !== null)
    printPainted(yellow(printable(`The changed config is not in force: ${host.config.refused.message}`)));
  for (const [name, value] of facts(host, overview)) printLine(`${name}:`.padEnd(12) + value);
}

function facts({ version, pid, since, state, processes }: HostView, overview: OverviewView): string[][] {
  const { chats, waiting, today } = overview;
  const { total, ...states } = chats;
  const { answerMs } = today;
  const answers =
    answerMs === null
      ? ""
      : `; half within ${seconds(answerMs.p50)}, 99 of 100 within ${seconds(answerMs.p99)}`;
  return [
    ["daemon", `${state}, version ${version}, process ${pid}, since ${since}`],
    [
      "processes",
      `${processes.live} of ${processes.max}, ${mebibytes(processes.memoryBytes)} of ${mebibytes(processes.memoryBytesMax)}`,
    ],
    ["chats", `${total}${counts(states, " (", ")")}`],
    ["waiting", counts(waiting, "", "") || "nothing"],
    ["today", `${today.turns} turns; messages: ${counts(endsOf(today), "", "") || "none"}${answers}`],
    ["cost today", `${today.costUsd.toFixed(4)} USD (UTC)`],
  ];
}

function endsOf({ answered, failed, stopped, refused }: OverviewView["today"]): Record<string, number> {
  return { answered, failed, stopped, refused };
}

/** Those that there are; nothing, also none of what stands around them, when there are none. */
function counts(of: Record<string, number>, before: string, after: string): string {
  const parts = Object.entries(of).flatMap(([name, count]) => (count === 0 ? [] : `${count} ${name}`));
  return parts.length === 0 ? "" : `${before}${parts.join(", ")}${after}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
