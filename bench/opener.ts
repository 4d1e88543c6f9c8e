/**
 * A fresh process that opens a home, looks up a thousand chats and ends: what a start costs in time and memory.
 * Arguments: the home and its number of chats. Prints one line of JSON. Needs `--expose-gc`.
 */

import { open } from "../src/index.ts";
import { chatIdOf } from "./homes.ts";

/** What `opener.ts` prints. Times in ms, memory (resident, after garbage collection) in MiB. */
export interface Opening {
  wallMs: number;
  /** User and system. */
  cpuMs: number;
  openedMiB: number;
  lookedUpMiB: number;
}

const lookUps = 1000;

async function opening(home: string, chats: number): Promise<Opening> {
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  const switchboard = await open({ home });
  const wallMs = performance.now() - begun;
  const cpu = process.cpuUsage(cpuBefore);
  const openedMiB = residentMiB();
  for (let n = 0; n < lookUps; n++) await switchboard.chat(chatIdOf(Math.floor(Math.random() * chats)));
  const lookedUpMiB = residentMiB();
  await switchboard.close();
  return { wallMs, cpuMs: (cpu.user + cpu.system) / 1000, openedMiB, lookedUpMiB };
}

function residentMiB(): number {
  if (globalThis.gc === undefined) throw new Error("start it with --expose-gc");
  globalThis.gc();
  return process.memoryUsage.rss() / 2 ** 20;
}

const [home = "", chats = ""] = process.argv.slice(2);
console.log(JSON.stringify(await opening(home, Number(chats))));
