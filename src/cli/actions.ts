/** `stop`, `close`, `restart`, `reset`, `undo-reset`, `down`: what they ask for is done when they end. */

import { setTimeout as delay } from "node:timers/promises";
import type { ActionView, ReloadView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { CliError } from "./exit.ts";
import { whileWaiting } from "./patience.ts";
import { printJson, printLine } from "./print.ts";

export async function act(
  client: Client,
  chatId: string,
  action: string,
  { json }: { json?: true },
): Promise<void> {
  const done = await whileWaiting(action, client.post<ActionView>(chatPath(chatId, `/${action}`)));
  if (json === true) return printJson(done);
  printLine(describe(done));
}

/** Asked for twice, for it cannot be undone. */
export async function forget(
  client: Client,
  chatId: string,
  { yes, json }: { yes?: true; json?: true },
): Promise<void> {
  if (yes !== true)
    throw new CliError("usage", "forget removes all that is known of the chat, and cannot be undone", {
      hint: `Say so: switchboard forget ${chatId} --yes`,
      exit: "usage",
    });
  const done = await whileWaiting("forget", client.delete<ActionView>(chatPath(chatId)));
  if (json === true) printJson(done);
  else printLine(describe(done));
}

function describe({ did, stopped, requeued }: ActionView): string {
  const parts = [did === "nothing" ? "there was nothing to do" : did];
  if (stopped.length > 0) {
    const begun = stopped.filter(({ ran }) => ran).length;
    parts.push(`${count(stopped.length)} stopped, ${begun} of them begun`);
  }
  if (requeued.length > 0) parts.push(`${count(requeued.length)} waiting again`);
  return parts.join("; ");
}

function count(messages: number): string {
  return messages === 1 ? "1 message" : `${messages} messages`;
}

/** What it refuses changes nothing. */
export async function reload(client: Client, { json }: { json?: true }): Promise<void> {
  const done = await whileWaiting("reload", client.post<ReloadView>("/v1/reload"));
  if (json === true) return printJson(done);
  const { changed, restart } = done;
  printLine(
    changed.length === 0 ? "nothing has changed that holds at once" : `changed: ${changed.join(", ")}`,
  );
  if (restart.length > 0) printLine(`from the next start on: ${restart.join(", ")}`);
}

/** Ends the daemon and waits until it is gone. That none runs is what was wanted. */
export async function down(client: Client, { json }: { json?: true }): Promise<void> {
  const { url } = client;
  try {
    const { pid } = await client.post<{ pid: number }>("/v1/shutdown");
    await whileWaiting("running turns end, and the daemon with them", gone(client, pid));
    if (json === true) printJson({ did: "ended", url, pid });
    else printLine(`ended: ${url} (process ${pid})`);
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "unreachable") throw error;
    if (json === true) printJson({ did: "nothing", url });
    else printLine(`no daemon runs at ${url}`);
  }
}

async function gone(client: Client, pid: number): Promise<void> {
  while ((await pidAt(client)) === pid) await delay(50);
}

async function pidAt(client: Client): Promise<number | undefined> {
  try {
    return (await client.get<{ pid: number }>("/healthz")).pid;
  } catch {
    return undefined;
  }
}
