/**
 * A host in a process of its own, so that its memory is nobody else's: Switchboard, or the bare Agent SDK. Arguments: which of
 * them, a folder, the model's URL, and how many turns a live session has. Its parent tells it what to do, one order after the
 * other; when the parent goes, it ends everything and goes too. Needs `--expose-gc` and an IPC channel.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultConfig } from "../src/config.ts";
import { open } from "../src/index.ts";
import { processTable } from "../src/os/process-table.ts";
import { BareProcess, bareOptions } from "./bare.ts";
import { heap } from "./heap.ts";
import { shippedPolicy } from "./pasts.ts";
import { askSwitchboard } from "./sides.ts";

export type Kind = "switchboard" | "bare";

/** `live`: one more session that stays. `passing`: one that has a turn and then no process any more. `look`: what there is. */
export type Order = "live" | "passing" | "look";

export interface Look {
  /** Of the live sessions' processes. */
  pids: number[];
  /** In the main thread's heap: its code, of which V8 makes more for a while, is left out. */
  objectBytes: number;
  /** Of the whole process. */
  residentBytes: number;
}

/** To an order, and first of all when the host is open. `look`: only where one was ordered. */
export type Answer = { look: Look | null } | { error: string };

/** ms until what a turn leaves behind (copies, timers, something that is started ahead) is done. */
const settleMs = 2000;

interface Host {
  ask(chat: string): Promise<void>;
  /** Resolves when the chat's process is gone. */
  leave(chat: string): Promise<void>;
  /** Of the processes that serve these chats. */
  pids(chats: readonly string[]): Promise<number[]>;
  close(): Promise<void>;
}

async function switchboardHost(home: string, modelUrl: string): Promise<Host> {
  const config = defaultConfig();
  config.processes.resume_recent = 0;
  // A spare would pass for a part of what each chat costs.
  config.processes.spares = 0;
  const switchboard = await open({ home, config, upstream: { baseUrl: modelUrl } });
  return {
    ask: (chat) => askSwitchboard(switchboard, chat, `Message ${randomUUID()}`),
    leave: async (chat) => void (await switchboard.closeChat(chat)),
    async pids(chats) {
      const views = await Promise.all(chats.map((chat) => switchboard.chat(chat)));
      return views.flatMap(({ process }) => process?.pid ?? []);
    },
    close: () => switchboard.close({ hurry: AbortSignal.abort() }),
  };
}

function bareHost(spaces: string, modelUrl: string): Host {
  const processes = new Map<string, BareProcess>();
  let closed = false;
  const start = async (chat: string) => {
    const session = { mode: "create" as const, sdkSessionId: randomUUID() };
    const options = await bareOptions(spaces, shippedPolicy(), modelUrl, session);
    if (closed) throw new Error("the host is closed");
    const started = new BareProcess(options);
    processes.set(chat, started);
    return started;
  };
  return {
    async ask(chat) {
      const asked = processes.get(chat) ?? (await start(chat));
      await asked.ask(`Message ${randomUUID()}`);
    },
    async leave(chat) {
      await processes.get(chat)?.end();
      processes.delete(chat);
    },
    async pids() {
      const table = await processTable();
      return table.filter(({ parent }) => parent === process.pid).map(({ pid }) => pid);
    },
    async close() {
      closed = true;
      await Promise.all([...processes.values()].map((each) => each.end()));
    },
  };
}

async function serve(kind: string, folder: string, modelUrl: string, turns: number): Promise<void> {
  if (!process.connected) throw new Error("it is started by memory.ts");
  const host = kind === "switchboard" ? await switchboardHost(folder, modelUrl) : bareHost(folder, modelUrl);
  const live: string[] = [];

  const look = async (): Promise<Look> => {
    await sleep(settleMs);
    const { objects } = await heap();
    return { pids: await host.pids(live), objectBytes: objects, residentBytes: process.memoryUsage.rss() };
  };
  const carryOut = async (order: Order): Promise<Look | null> => {
    if (order === "look") return await look();
    const chat = randomUUID();
    if (order === "live") live.push(chat);
    for (let turn = 0; turn < (order === "live" ? turns : 1); turn++) await host.ask(chat);
    if (order === "passing") await host.leave(chat);
    return null;
  };
  const tell = (answer: Answer) => void (process.connected && process.send?.(answer));

  // Ctrl-C reaches everybody; the parent says when it is over.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  process.once("disconnect", async () => {
    await host.close();
    process.exit();
  });
  process.on("message", (order: Order) => {
    carryOut(order).then(
      (found) => tell({ look: found }),
      (error) => tell({ error: String(error) }),
    );
  });
  tell({ look: null });
}

const [kind = "", folder = "", modelUrl = "", turns = ""] = process.argv.slice(2);
await serve(kind, folder, modelUrl, Number(turns));
