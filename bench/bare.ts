/**
 * The rival: the Agent SDK as a host uses it that has no Switchboard. It gets the very options and environment that
 * Switchboard gives its processes, its folders are made before the clock starts, and it talks to the model directly.
 */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { EventEmitter, on, once } from "node:events";
import { type Query, query, type SDKUserMessage } from "@anthropic-ai/claude-agent-sdk";
import { openSpace } from "../src/claude/index.ts";
import { optionsOf } from "../src/claude/launch.ts";
import { defaultConfig } from "../src/config.ts";
import type { Policy } from "../src/contacts/tiers.ts";

/** What a `query()` is started with. */
export type BareLaunch = Awaited<ReturnType<typeof prepareBare>>;

export async function prepareBare(
  spaces: string,
  policy: Policy,
  modelUrl: string,
  session: { mode: "create" | "resume"; sdkSessionId: string },
) {
  const launch = {
    generation: 0,
    space: await openSpace(spaces, session.sdkSessionId),
    session,
    model: policy.model,
    fallbackModel: policy.fallbackModel,
    systemPrompt: policy.systemPrompt,
    tools: policy.tools,
    costSoFarUsd: 0,
    api: { baseUrl: modelUrl, token: "bare-sdk" },
    onEvent() {},
  };
  return optionsOf(launch, defaultConfig().path);
}

/** One `query()` with its input kept open. */
export class BareProcess {
  readonly #sent = new EventEmitter();
  readonly #query: Query;
  #exited: Promise<unknown> = Promise.resolve();
  #kill: () => void = () => {};

  constructor(launch: BareLaunch) {
    this.#query = query({
      prompt: this.#input(),
      options: {
        ...launch,
        // As the SDK does by itself; only so can it be known when the process is gone.
        spawnClaudeCodeProcess: ({ command, args, cwd, env, signal }) => {
          const child = spawn(command, args, { cwd, env, signal, stdio: ["pipe", "pipe", "ignore"] });
          this.#exited = once(child, "exit").catch(() => {});
          this.#kill = () => child.kill("SIGKILL");
          return child;
        },
      },
    });
  }

  send(text: string): void {
    this.#sent.emit("message", text);
  }

  /** Resolves when the next turn has ended well. */
  async answered(): Promise<void> {
    for (;;) {
      const next = await this.#query.next();
      if (next.done === true) throw new Error("the bare process ended before its turn did");
      if (next.value.type !== "result") continue;
      if (next.value.is_error) throw new Error("a turn of the bare process failed");
      return;
    }
  }

  /** Resolves when the process is gone. */
  async end(): Promise<void> {
    this.#query.close();
    const patience = setTimeout(this.#kill, 3000);
    await this.#exited;
    clearTimeout(patience);
  }

  #input(): AsyncIterable<SDKUserMessage> {
    // Listens from now on, whenever it is first read.
    const sent = on(this.#sent, "message");
    return (async function* () {
      for await (const [text] of sent) yield messageOf(text);
    })();
  }
}

/** As Switchboard sends a contact's message. */
function messageOf(text: string): SDKUserMessage {
  return {
    type: "user",
    message: { role: "user", content: [{ type: "text", text }] },
    parent_tool_use_id: null,
    uuid: randomUUID(),
    client_composed: true,
  };
}
