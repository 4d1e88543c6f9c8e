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
  /** Marks the process; never given twice in a home. */
  generation: number;
  space: Space;
  session: { sdkSessionId: string } & Beginning;
  model: string;
  fallbackModel: string | null;
  systemPrompt: string;
  tools: readonly string[];
  /** What commands may touch; null: whatever the daemon's user may. */
  sandbox: Sandbox | null;
  /** What the session has cost before, in USD: results count on from there. */
  costSoFarUsd: number;
  /** Where the model is asked, and the key for it: loopback and worth nothing elsewhere. */
  api: { baseUrl: string; token: string };
  /** Asked before each tool call, once, which waits for it: null, or why the tool must not run. A rejection denies it too. */
  beforeTool: (call: ToolRequest) => Promise<string | null>;
  onEvent: (event: ClaudeEvent) => void;
}

/** How a process takes up its session. All but `create` need a transcript on disk, and that needs that there is none. */
export type Beginning =
  | { mode: "create" }
  | { mode: "resume" }
  /** The turn that the last process left open is run on at once, without any input. `text`: what it has said so far. */
  | { mode: "continue"; text: string };

/** `impossible`: what is left would still be too long. `failed`: something came between. */
export type CompactionOutcome = "done" | "impossible" | "failed";

export interface ToolRequest {
  toolUseId: string;
  name: string;
  input: unknown;
}

/** The bounds of commands, kept by the system. Absolute paths; beside its space a session needs none. */
export interface Sandbox {
  /** Closed but for the session's own space: everything of Switchboard. */
  home: string;
  readFolders: readonly string[];
  writeFolders: readonly string[];
  /** `*`: any. */
  hosts: readonly string[];
}

/** A session's private folders. */
export interface Space {
  work: string;
  /** CLAUDE_CONFIG_DIR. */
  claude: string;
  tmp: string;
}

/** A text as it is, or a file that Claude looks at. */
export type Block = string | { name: string; type: string; data: Uint8Array };

export interface ClaudeProcess {
  readonly generation: number;
  readonly pid: number;
  /** Hands a message over. What becomes of it is told by events; after `gone` it is ignored. */
  send(sdkUuid: string, content: readonly Block[]): void;
  /**
   * Has the conversation so far replaced by a summary, which costs a request; to be asked before anything is sent.
   * `compacted` tells how it went.
   */
  compact(): void;
  /**
   * Has a text stand before the first message, which asks the model nothing; to be asked before anything is sent. With it
   * the process has done all that it puts off until something is said: the first message then needs a third of the time
   * (SDK-FACTS 9.9). `noted` tells that it has. The text stays in the conversation.
   */
  note(text: string): void;
  /**
   * Has it do what it puts off until something is said, leaving nothing behind: a resumed session's next message then needs
   * two thirds of the time (SDK-FACTS 9.9). It has the tokens of its context counted for that. Resolves when it is done.
   */
  warm(): Promise<void>;
  /** Stops the running turn and drops what is queued behind it. Before `ready` it does nothing. */
  interrupt(): Promise<void>;
  /** Resolves when the process has answered (measured: below 3 ms, also in mid-turn); rejects when it is gone. */
  ping(): Promise<void>;
  /** What it is doing now as the system sees it, for when it does not answer; null when it is gone. */
  activity(): { stopped: boolean; cpuMs: number } | null;
  /** Ends an idle process in order; what a busy one does is lost to us. Resolves when its tree is gone. */
  close(): Promise<void>;
  /** SIGTERM, after `graceMs` (default 3000; 0: at once) SIGKILL, to the whole tree. Resolves when it is gone. */
  kill(graceMs?: number): Promise<void>;
}

/** For a provider that the gateway does not speak to: what its processes are given instead of the gateway's address. */
export type Direct = Readonly<Record<string, string>>;

export interface Claude {
  /** Its processes reach the model with a credential of their own: nothing of that passes the gateway. */
  readonly isDirect: boolean;
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
  | { type: "tool"; toolUseId: string; name: string; state: "finished" | "failed" }
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
  /** `well`: also when there was nothing that could be made shorter. */
  | { type: "compacted"; outcome: CompactionOutcome }
  | { type: "noted" }
  /** `unresumable`: it found no conversation in its transcript. */
  | { type: "gone"; reason: string; stderr: string; unresumable: boolean };

/** What one turn has cost, as the model's API reported it. */
export interface TurnUsage {
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
}
