/**
 * Claude behind one small port. Nothing outside of this folder knows the Agent SDK, its frames or its files.
 *
 * - A process serves one session; closing it never ends the session.
 * - Messages are followed by the uuid under which they were sent, from the life-cycle frames: a turn's members
 *   are those `taken` since the last turn ended. Results are never counted, and what a result names is a hint.
 * - A failed turn is one whose result says `is_error`, whatever its subtype says.
 * - `gone` comes exactly once, last, and only when nothing of the process's tree is left.
 */

/** What a process is started with, all of it decided outside. */
export interface Launch {
  generation: number;
  space: Space;
  /** `resume` needs a transcript on disk, `create` needs that there is none. */
  session: { mode: "create" | "resume"; sdkSessionId: string };
  model: string;
  fallbackModel: string | null;
  systemPrompt: string;
  tools: readonly string[];
  /** What the session has cost before, in USD: results count on from there. */
  costSoFarUsd: number;
  /** Where the model is asked, and the key for it: loopback and worth nothing elsewhere. */
  api: { baseUrl: string; token: string };
  onEvent: (event: ClaudeEvent) => void;
}

/** A session's private folders. */
export interface Space {
  work: string;
  /** CLAUDE_CONFIG_DIR. */
  claude: string;
  tmp: string;
}

export interface ClaudeProcess {
  readonly generation: number;
  readonly pid: number;
  /** Hands a message over. What becomes of it is told by events; after `gone` it is ignored. */
  send(sdkUuid: string, content: readonly string[]): void;
  /** Stops the running turn and drops what is queued behind it. Before `ready` it does nothing. */
  interrupt(): Promise<void>;
  /** Resolves when the process has answered (measured: below 3 ms, also in mid-turn); rejects when it is gone. */
  ping(): Promise<void>;
  /** Ends an idle process in order; what a busy one does is lost to us. Resolves when its tree is gone. */
  close(): Promise<void>;
  /** SIGTERM, after `graceMs` (default 3000; 0: at once) SIGKILL, to the whole tree. Resolves when it is gone. */
  kill(graceMs?: number): Promise<void>;
}

export interface Claude {
  /** Throws when the process cannot be spawned; everything later comes as an event. */
  launch(launch: Launch): ClaudeProcess;
}

export type ClaudeEvent =
  /** Started up. Messages sent before are taken afterwards. */
  | { type: "ready"; version: string }
  /** The model got the message: it begins a turn, or joins the running one. */
  | { type: "taken"; sdkUuid: string }
  /** The process will not run the message: it was cancelled in the queue, or is known as done already. */
  | { type: "dropped"; sdkUuid: string }
  /** A piece of the reply. `offset` (UTF-16 units) is its place; one below the end replaces what stands from there on. */
  | { type: "text"; offset: number; text: string }
  | { type: "tool"; toolUseId: string; name: string; state: "started" | "finished" | "failed" }
  | { type: "waiting"; for: "model" | "compaction" }
  /** The turn ended well. `text` is the whole reply. */
  | { type: "done"; text: string; sdkSessionId: string; usage: TurnUsage }
  /** The turn ended in an error, or was cut by an interrupt. */
  | {
      type: "failed";
      code: string;
      message: string;
      interrupted: boolean;
      sdkSessionId: string;
      usage: TurnUsage;
    }
  | { type: "gone"; reason: string; stderr: string };

/** What one turn has cost, as the model's API reported it. */
export interface TurnUsage {
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
}
