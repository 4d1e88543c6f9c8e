/**
 * One Claude Code process, driven through the Agent SDK.
 *
 * States: it is spawned and takes input at once; `ready` comes when it has started up; then turns come and go;
 * at last, whatever ended it, the tree is made sure to be gone and `gone` is told. Nothing is told after that.
 *
 * What the SDK's types leave out (measured with 0.3.330, CLI 2.1.330):
 * - `command_lifecycle` frames tell of every message that was sent with a uuid: `queued`, `started`, then
 *   `completed` or `cancelled`. `started` comes for each member of a merged turn and for each message that joins a
 *   running one, before that turn's `result`; a swallowed message gets `completed` without `started`.
 * - `Query.request` sends any control request; `get_binary_version` is the cheapest that makes the process answer.
 */

import { randomUUID } from "node:crypto";
import {
  type HookInput,
  type HookJSONOutput,
  type PermissionResult,
  type Query,
  query,
  type SDKMessage,
  type SDKResultMessage,
  type SDKUserMessage,
} from "@anthropic-ai/claude-agent-sdk";
import { type Clock, sleep } from "../clock.ts";
import { activity, type GuardedProcess, spawnGuarded, treeGone } from "../os/index.ts";
import type {
  Block,
  Claude,
  ClaudeEvent,
  ClaudeProcess,
  CompactionOutcome,
  Direct,
  Launch,
  ToolRequest,
  TurnUsage,
} from "./claude.ts";
import { optionsOf } from "./launch.ts";
import { ReplyText } from "./reply-text.ts";
import { codeOf } from "./turns.ts";

export interface ClaudeOptions {
  /** Marks every process as this home's: see `spawnGuarded`. */
  homeId: string;
  /** PATH of the processes and their tools. */
  path: string;
  /** Null: they ask the model through the gateway. */
  direct?: Direct | null;
  clock: Clock;
}

/** Claude by the real Claude Code. */
export function claudeCode(options: ClaudeOptions): Claude {
  return {
    isDirect: (options.direct ?? null) !== null,
    launch: (launch) => new ClaudeCodeProcess(launch, options),
  };
}

/** ms that an idle process gets to end in order (measured: 30 to 130) before it is killed. */
const closeGraceMs = 3000;

/** ms. */
const lookAgainMs = 1000;

/** s that a tool call waits for what has to be said about it: as long as the disk it is recorded on may need. */
const hookLimitSeconds = 3600;

const notRecorded = "The call could not be recorded, so it was not run.";

type BlockParam = Exclude<SDKUserMessage["message"]["content"], string>[number];
type PictureType = "image/png" | "image/jpeg" | "image/gif" | "image/webp";

interface LifecycleFrame {
  type: "command_lifecycle";
  command_uuid: string;
  state: "queued" | "started" | "completed" | "cancelled";
}

interface ControlRequests {
  request(control: { subtype: string } & Record<string, unknown>): Promise<unknown>;
}

class ClaudeCodeProcess implements ClaudeProcess {
  readonly generation: number;
  readonly #launch: Launch;
  readonly #clock: Clock;
  readonly #guarded: GuardedProcess;
  readonly #query: Query & ControlRequests;
  readonly #input = new Input();
  readonly #gone: Promise<void>;

  /** Sent and neither taken nor dropped yet. */
  readonly #waiting = new Set<string>();
  #reply: ReplyText;
  readonly #tools = new Map<string, string>();
  /** Why the turn's calls may not run, or null, by what they are. */
  readonly #denials = new Map<string, Promise<string | null>>();
  /** Of a compaction that was asked for; null when there is none under way. */
  #compaction: { well: boolean } | null = null;
  /** A note was given, and has not been taken in yet. */
  #noting = false;
  #errorCode: string | null = null;
  #costUsd: number;

  constructor(launch: Launch, { homeId, path, direct = null, clock }: ClaudeOptions) {
    this.generation = launch.generation;
    this.#launch = launch;
    this.#clock = clock;
    this.#costUsd = launch.costSoFarUsd;
    this.#reply = new ReplyText(launch.session.mode === "continue" ? launch.session.text : "");
    let spawned: GuardedProcess | undefined;
    this.#query = withRequests(
      query({
        prompt: this.#input,
        options: {
          ...optionsOf(launch, path, direct),
          hooks: { PreToolUse: [{ hooks: [(call) => this.#beforeTool(call)], timeout: hookLimitSeconds }] },
          canUseTool: (name, input, { toolUseID }) => this.#canUseTool({ toolUseId: toolUseID, name, input }),
          spawnClaudeCodeProcess: ({ command, args, cwd, env }) => {
            spawned = spawnGuarded({
              command,
              args,
              cwd: cwd ?? launch.space.work,
              env,
              marker: { homeId, generation: launch.generation },
            });
            return spawned.child;
          },
        },
      }),
    );
    if (spawned === undefined) throw new Error("the Agent SDK did not spawn its process at once");
    this.#guarded = spawned;
    this.#announceReady();
    this.#gone = this.#run();
  }

  get pid(): number {
    return this.#guarded.pid;
  }

  send(sdkUuid: string, content: readonly Block[]): void {
    this.#waiting.add(sdkUuid);
    this.#input.push({
      type: "user",
      message: { role: "user", content: content.map(blockParam) },
      parent_tool_use_id: null,
      uuid: asUuid(sdkUuid),
      // Contact text is never a command: without this `/clear` would end the conversation and `@/path` read files.
      client_composed: true,
    });
  }

  compact(): void {
    this.#compaction = { well: false };
    this.#input.push({
      type: "user",
      message: { role: "user", content: "/compact" },
      parent_tool_use_id: null,
      uuid: randomUUID(),
    });
  }

  note(text: string): void {
    this.#noting = true;
    this.#input.push({
      type: "user",
      message: { role: "user", content: text },
      parent_tool_use_id: null,
      uuid: randomUUID(),
      client_composed: true,
      shouldQuery: false,
    });
  }

  async warm(): Promise<void> {
    await this.#query.getContextUsage({ detail: "full" });
  }

  async interrupt(): Promise<void> {
    await this.#query.request({ subtype: "interrupt", cancel_queued: true });
  }

  async ping(): Promise<void> {
    await this.#query.request({ subtype: "get_binary_version" });
  }

  activity(): { stopped: boolean; cpuMs: number } | null {
    return activity(this.pid);
  }

  async close(): Promise<void> {
    this.#query.close();
    const cancel = this.#clock.after(closeGraceMs, () => void this.kill());
    await this.#gone;
    cancel();
  }

  async kill(graceMs = 3000): Promise<void> {
    // Survivors are waited for by whoever waits for `gone`.
    this.#guarded.end({ graceMs, clock: this.#clock }).catch(() => {});
    await this.#gone;
  }

  #announceReady(): void {
    this.#query.initializationResult().then(
      (result) => this.#emit({ type: "ready", version: result.claude_code_version ?? "unknown" }),
      // The process ended while starting up: `gone` tells it.
      () => {},
    );
  }

  /** Reads the process's frames until it ends, then makes sure that nothing of it is left. */
  async #run(): Promise<void> {
    let reason = "closed";
    try {
      for await (const frame of this.#query) this.#take(frame);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    this.#input.end();
    while (!(await this.#treeGone()));
    const stderr = this.#guarded.stderrTail();
    this.#emit({ type: "gone", reason, stderr, unresumable: reason.includes("No conversation found") });
  }

  /**
   * False when something survived SIGKILL for 10 s, or nobody could look (too many open files): a successor has to
   * wait for it, however long that takes.
   */
  async #treeGone(): Promise<boolean> {
    try {
      await treeGone(this.#guarded, { clock: this.#clock });
      return true;
    } catch {
      await sleep(this.#clock, lookAgainMs);
      return false;
    }
  }

  #take(frame: SDKMessage | LifecycleFrame): void {
    switch (frame.type) {
      case "command_lifecycle":
        this.#follow(frame);
        return;
      case "stream_event":
        if (frame.parent_tool_use_id === null) this.#stream(frame.event);
        return;
      case "assistant":
        if (frame.parent_tool_use_id !== null) return;
        if (frame.error !== undefined) this.#errorCode = frame.error;
        // The CLI's own words, about an API error for example.
        if (frame.message.model === "<synthetic>") return;
        for (const block of frame.message.content) {
          if (block.type === "text") this.#showRest(block.text);
        }
        return;
      case "user":
        if (frame.parent_tool_use_id !== null || typeof frame.message.content === "string") return;
        for (const block of frame.message.content) {
          if (block.type === "tool_result") this.#toolEnded(block.tool_use_id, block.is_error === true);
          // The CLI's request to go on after the output limit or a broken stream.
          if (block.type === "text" && "isSynthetic" in frame && block.text.includes("Resume directly"))
            this.#reply.cut();
        }
        return;
      case "result":
        this.#endTurn(frame);
        return;
      case "system":
        if (frame.subtype === "status" && frame.status === "compacting")
          this.#emit({ type: "waiting", for: "compaction" });
        if (frame.subtype === "status" && frame.status === "requesting")
          this.#emit({ type: "waiting", for: "model" });
        if (frame.subtype === "compact_boundary" && this.#compaction !== null) this.#compaction.well = true;
        return;
      default:
        // Frames that nobody here needs, and those of later versions.
        return;
    }
  }

  #follow({ command_uuid: sdkUuid, state }: LifecycleFrame): void {
    if (state === "started") {
      this.#waiting.delete(sdkUuid);
      this.#emit({ type: "taken", sdkUuid });
    } else if (state !== "queued" && this.#waiting.delete(sdkUuid)) {
      this.#emit({ type: "dropped", sdkUuid });
    }
  }

  #stream(event: { type: string; delta?: unknown }): void {
    if (event.type === "content_block_start") this.#reply.begin();
    if (event.type !== "content_block_delta") return;
    const { delta } = event;
    if (typeof delta !== "object" || delta === null || !("text" in delta) || typeof delta.text !== "string")
      return;
    this.#emit({ type: "text", ...this.#reply.piece(delta.text) });
  }

  #showRest(text: string): void {
    const rest = this.#reply.block(text);
    if (rest !== null) this.#emit({ type: "text", ...rest });
  }

  /** Called by the process before it runs a tool, also one that it will then not allow. */
  async #beforeTool(call: HookInput): Promise<HookJSONOutput> {
    if (call.hook_event_name !== "PreToolUse") return {};
    const { tool_use_id: toolUseId, tool_name: name, tool_input: input } = call;
    const denial = await this.#denialOf({ toolUseId, name, input });
    if (denial === null) return {};
    return {
      hookSpecificOutput: {
        hookEventName: "PreToolUse",
        permissionDecision: "deny",
        permissionDecisionReason: denial,
      },
    };
  }

  /** Called by the process for a tool that its own rules do not allow: none does. It gets the hook's verdict. */
  async #canUseTool(call: ToolRequest & { input: Record<string, unknown> }): Promise<PermissionResult> {
    const denial = await this.#denialOf(call);
    if (denial === null) return { behavior: "allow", updatedInput: call.input };
    return { behavior: "deny", message: denial };
  }

  /** Once for each call, as it is: one with another input is another call. */
  #denialOf(call: ToolRequest): Promise<string | null> {
    const { toolUseId, name, input } = call;
    this.#tools.set(toolUseId, name);
    const key = JSON.stringify([toolUseId, name, input]);
    const known = this.#denials.get(key);
    if (known !== undefined) return known;
    const denial = this.#launch.beforeTool(call).catch(() => notRecorded);
    this.#denials.set(key, denial);
    return denial;
  }

  #toolEnded(toolUseId: string, failed: boolean): void {
    const name = this.#tools.get(toolUseId);
    if (name === undefined) return;
    this.#tools.delete(toolUseId);
    this.#emit({ type: "tool", toolUseId, name, state: failed ? "failed" : "finished" });
  }

  #endTurn(result: SDKResultMessage): void {
    if (this.#compaction !== null) {
      this.#emit({ type: "compacted", outcome: this.#compaction.well ? "done" : compactionIn(result) });
      this.#compaction = null;
      return;
    }
    if (this.#noting) {
      this.#noting = false;
      this.#emit({ type: "noted" });
      return;
    }
    const { text } = this.#reply;
    const interrupted = result.terminal_reason?.startsWith("aborted") ?? false;
    const errorCode = this.#errorCode;
    this.#reply = new ReplyText();
    this.#tools.clear();
    this.#denials.clear();
    this.#errorCode = null;
    const end = { sdkSessionId: result.session_id, usage: this.#usageOf(result) };
    if (!result.is_error && result.subtype === "success" && !interrupted) {
      this.#emit({ type: "done", text, ...end });
      return;
    }
    const words = result.subtype === "success" ? result.result : result.errors.join("; ");
    const tooLong = ["prompt_too_long", "blocking_limit"].includes(result.terminal_reason ?? "");
    const subtype = result.subtype === "success" ? "model_error" : result.subtype;
    const failure = errorCode === null ? subtype : codeOf(errorCode, words);
    const code = interrupted ? "interrupted" : tooLong ? "context_too_long" : failure;
    this.#emit({ type: "failed", code, message: words, interrupted, ...end });
  }

  /** `usage` is the turn's own; the cost is a running total of the session. */
  #usageOf(result: SDKResultMessage): TurnUsage {
    const costUsd = Math.max(0, result.total_cost_usd - this.#costUsd);
    this.#costUsd = result.total_cost_usd;
    return { inputTokens: result.usage.input_tokens, outputTokens: result.usage.output_tokens, costUsd };
  }

  #emit(event: ClaudeEvent): void {
    this.#launch.onEvent(event);
  }
}

/** What goes into the process's open stream. */
class Input implements AsyncIterable<SDKUserMessage> {
  readonly #messages: SDKUserMessage[] = [];
  #ended = false;
  #wake: () => void = () => {};

  push(message: SDKUserMessage): void {
    this.#messages.push(message);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<SDKUserMessage> {
    while (!this.#ended) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function withRequests(q: Query): Query & ControlRequests {
  if ("request" in q && typeof q.request === "function") return q as Query & ControlRequests;
  throw new Error("this version of the Agent SDK has no Query.request");
}

/** By the CLI's words, for its result tells no more (measured). */
function compactionIn(result: SDKResultMessage): CompactionOutcome {
  const words = result.subtype === "success" ? result.result : "";
  if (words.startsWith("Not enough messages to compact")) return "done";
  return words.startsWith("Compaction failed") ? "impossible" : "failed";
}

function blockParam(block: Block): BlockParam {
  if (typeof block === "string") return { type: "text", text: block };
  const { name: title, type, data } = block;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (type === "text/plain")
    return {
      type: "document",
      title,
      source: { type: "text", media_type: type, data: bytes.toString("utf8") },
    };
  const base64 = { type: "base64" as const, data: bytes.toString("base64") };
  return type === "application/pdf"
    ? { type: "document", title, source: { ...base64, media_type: type } }
    : { type: "image", source: { ...base64, media_type: type as PictureType } };
}

function asUuid(text: string): `${string}-${string}-${string}-${string}-${string}` {
  return text as `${string}-${string}-${string}-${string}-${string}`;
}
