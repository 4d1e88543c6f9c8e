/** Who looks after a daemon: acts on chats, kills a process as the system may do, and brings everything to rest. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, chatPath } from "../../src/cli/client.ts";
import { CliError } from "../../src/cli/exit.ts";
import type { ActionView, ChatView, HostView } from "../../src/index.ts";
import { hangsAfterMs } from "../run.ts";

export type Action = "stop" | "close" | "reset" | "restart" | "undo-reset" | "wake";

/** ms. */
const lookAgainMs = 200;

export class Operator {
  /** Processes that were killed. */
  kills = 0;
  readonly #client: Client;
  readonly #home: string;
  readonly #signal: AbortSignal;

  /** `home`: the daemon's; nothing but its processes is killed. */
  constructor(client: Client, home: string, signal: AbortSignal) {
    this.#client = client;
    this.#home = home;
    this.#signal = signal;
  }

  async act(chatId: string, action: Action): Promise<void> {
    try {
      await this.#client.post<ActionView>(chatPath(chatId, `/${action}`));
    } catch (error) {
      // There is nothing to undo, or something is open.
      const isUsual = error instanceof CliError && (error.exit === "unknown" || error.exit === "conflict");
      if (action !== "undo-reset" || !isUsual) throw error;
    }
  }

  /** The chat's process, if it has one. */
  async kill(chatId: string): Promise<void> {
    const pid = (await this.#client.get<ChatView>(chatPath(chatId))).process?.pid;
    if (typeof pid !== "number") return;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${this.#home}/`)) return;
      process.kill(pid, "SIGKILL");
      this.kills += 1;
    } catch {
      // It has ended by itself.
    }
  }

  /** As the dashboard does, and the command line. */
  async lookAround(chatId: string): Promise<void> {
    const chat = [chatPath(chatId), chatPath(chatId, "/messages")];
    for (const path of ["/v1/host", "/v1/chats", ...chat, "/v1/replies/failed"]) await this.#client.get(path);
  }

  /** Wakes the latest chats until so many processes are there. */
  async wake(processes: number): Promise<void> {
    const { chats } = await this.#client.get<{ chats: ChatView[] }>("/v1/chats?limit=100");
    for (const { chatId, state } of chats) {
      if ((await this.#live()) >= processes) return;
      if (state !== "dormant") continue;
      await this.act(chatId, "wake");
      await this.atRest();
    }
  }

  /** Closes every process. */
  async closeAll(): Promise<void> {
    for (const { chatId } of await this.#chatsIn("idle")) await this.act(chatId, "close");
    await this.#until(async () => (await this.#live()) === 0);
  }

  /** Resolves when every session is idle or dormant. */
  async atRest(): Promise<void> {
    await this.#until(async () => {
      for (const state of ["starting", "busy", "closing"]) {
        if ((await this.#chatsIn(state)).length > 0) return false;
      }
      return true;
    });
  }

  async #chatsIn(state: string): Promise<ChatView[]> {
    const path = `/v1/chats?limit=1000&state=${state}`;
    return (await this.#client.get<{ chats: ChatView[] }>(path)).chats;
  }

  async #live(): Promise<number> {
    return (await this.#client.get<HostView>("/v1/host")).processes.live;
  }

  async #until(holds: () => Promise<boolean>): Promise<void> {
    for (const limit = performance.now() + hangsAfterMs; !(await holds()); ) {
      if (performance.now() > limit) throw new Error("the daemon does not come to rest");
      await pause(lookAgainMs, this.#signal);
    }
  }
}

/** Throws the reason when the signal aborts before `ms` have passed. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}
