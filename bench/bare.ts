/**
 * The rival: the Agent SDK as a host uses it that has no Switchboard. It gets the very options and environment that
 * Switchboard gives its processes, its folders are made before the clock starts, and it talks to the model directly.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { EventEmitter, on, once } from "node:events";
import {
  type Options,
  type Query,
  query,
  type SDKUserMessage,
  startup,
  type WarmQuery,
} from "@anthropic-ai/claude-agent-sdk";
import { type Launch, openSpace } from "../src/claude/index.ts";
import { optionsOf } from "../src/claude/launch.ts";
import { defaultConfig } from "../src/config.ts";
import type { Policy } from "../src/contacts/tiers.ts";

/** Makes the session's folders; returns what its `query()` is started with. */
export async function bareOptions(
  spaces: string,
  { model, fallbackModel, systemPrompt, tools }: Policy,
  modelUrl: string,
  session: Launch["session"],
): Promise<Options> {
  const space = await openSpace(spaces, session.sdkSessionId);
  const api = { baseUrl: modelUrl, token: "bare-sdk" };
  const launch = {
    generation: 0,
    space,
    session,
    model,
    fallbackModel,
    systemPrompt,
    tools,
    sandbox: null,
    costSoFarUsd: 0,
    api,
  };
  return optionsOf({ ...launch, beforeTool: async () => null, onEvent() {} }, defaultConfig().path);
}

/** One `query()` with its input kept open; the first message starts it, unless it was warmed before. */
export class BareProcess {
  readonly #options: Options;
  readonly #sent = new EventEmitter();
  #query: Query | null = null;
  #warm: WarmQuery | null = null;
  #child: ChildProcess | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Has the process start ahead, as the SDK offers it. Resolves when it has. */
  async warm(): Promise<void> {
    this.#warm = await startup({ options: this.#spawning });
  }

  /** Resolves when the message is answered. One at a time. */
  async ask(text: string): Promise<void> {
    this.#query ??= this.#start();
    this.#sent.emit("message", text);
    for (;;) {
      const next = await this.#query.next();
      if (next.done === true) throw new Error("the bare process ended before its turn");
      if (next.value.type !== "result") continue;
      if (next.value.is_error) throw new Error("a turn of the bare process failed");
      return;
    }
  }

  /** Resolves when the process is gone. */
  async end(): Promise<void> {
    const child = this.#child;
    if (this.#query === null) this.#warm?.close();
    this.#query?.close();
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    const patience = setTimeout(() => child.kill("SIGKILL"), 3000);
    await exit;
    clearTimeout(patience);
  }

  #start(): Query {
    // Listens from now on, whenever it is first read.
    const sent = on(this.#sent, "message");
    const input = async function* () {
      for await (const [text] of sent) yield messageOf(text);
    };
    return this.#warm?.query(input()) ?? query({ prompt: input(), options: this.#spawning });
  }

  /** The process is spawned as the SDK does by itself; but only so can it be known when it is gone. */
  get #spawning(): Options {
    return {
      ...this.#options,
      spawnClaudeCodeProcess: ({ command, args, cwd, env, signal }) => {
        const child = spawn(command, args, { cwd, env, signal, stdio: ["pipe", "pipe", "ignore"] });
        child.once("error", () => {});
        this.#child = child;
        return child;
      },
    };
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
