/**
 * What a round leaves for the auditor, file by file, besides the home itself (`home/`: ledger and transcripts).
 * The kit writes these while it runs and the auditor reads them afterwards; they share nothing else.
 * Times are ms since the Unix epoch by the kit's clock, which no fault moves.
 */

import { closeSync, openSync, writeSync } from "node:fs";

/** Names in the round's folder. */
export const files = {
  round: "round.json",
  accepted: "accepted.jsonl",
  requests: "requests.jsonl",
  processes: "processes.jsonl",
  faults: "faults.jsonl",
  daemons: "daemons.jsonl",
  deliveries: "deliveries.jsonl",
  end: "end.json",
  home: "home",
} as const;

/** Every message bears one of its own, and nothing else looks like it. */
export const noncePattern = /nonce-[0-9a-f]{8}/g;

export interface RoundFacts {
  readonly seed: string;
}

/** An acknowledgement of the API: from then on the message is the daemon's. */
export interface Accepted {
  /** When the post began and when it was answered. */
  readonly askedAt: number;
  readonly at: number;
  readonly chatId: string;
  readonly externalId: string;
  readonly nonce: string;
  readonly text: string;
  readonly messageId: string;
  /** The daemon says that it knew the external id. */
  readonly duplicate: boolean;
}

/** A request that came to the model. */
export interface RequestRecord {
  readonly n: number;
  readonly at: number;
  readonly kind: string;
  /** By the request's own header. */
  readonly sessionId: string | null;
  /** Of the process that serves the session's space at that moment, by the process table. */
  readonly generation: number | null;
  /** As it came, without `tools`, which say nothing of the conversation and are most of the bytes. */
  readonly body: Record<string, unknown>;
}

export interface ProcessSeen {
  readonly pid: number;
  /** In clock ticks since boot: tells a reused pid. */
  readonly startTime: number;
  readonly generation: number;
  /** The session's folder under `spaces/`. */
  readonly space: string;
  /** Claude Code itself, not a tool of it. */
  readonly claude: boolean;
  /** SIGSTOPped. */
  readonly stopped: boolean;
}

/** All processes of the home that live at one moment; written when they are others than before. */
export interface Sample {
  readonly at: number;
  readonly processes: readonly ProcessSeen[];
}

/** Where in a message's way a fault strikes. */
export type Point =
  | "accepting"
  | "starting"
  | "streaming"
  | "in a tool"
  | "after a tool"
  | "closing"
  | "between commit and send";

export type Victim = "claude KILL" | "claude STOP" | "daemon KILL" | "claude STOP, daemon KILL";

export type FaultRecord = { readonly at: number } & (
  | { kind: "strike"; point: Point; victim: Victim; space: string | null; pids: readonly number[] }
  /** What the model was told to do, by the words of a message. */
  | { kind: "model"; trouble: string; nonce: string }
  | { kind: "clock"; shiftMs: number; forMs: number }
  | { kind: "disk full"; forMs: number }
  | { kind: "ledger locked"; forMs: number }
  | { kind: "transcript"; how: "truncated" | "deleted"; chatId: string }
  | { kind: "duplicate"; chatId: string; externalId: string }
  | { kind: "reordered"; chatId: string }
  | { kind: "channel"; how: string }
);

/** The daemon's lives. */
export interface DaemonRecord {
  readonly at: number;
  readonly pid: number;
  readonly what: "started" | "ended";
  /** At its end. */
  readonly code?: number | null;
  readonly signal?: string | null;
  /** The kit ended it, or a fault of storage was under way, which may keep a daemon from starting. */
  readonly expected?: boolean;
}

/** A reply that came to the channel's receiver. */
export interface Delivery {
  readonly at: number;
  readonly replyId: string;
  /** The idempotency key that came with it. */
  readonly key: string | null;
  readonly nonces: readonly string[];
  /** What the receiver did with it. */
  readonly how: "accepted" | "failed" | "late" | "dropped";
}

/** After the daemon was shut down in order. */
export interface EndFacts {
  readonly exitCode: number | null;
  /** Processes that name the round's folder. */
  readonly processes: ReadonlyArray<{ pid: number; command: string }>;
  /** Paths in the temporary folder of the daemon. */
  readonly temporary: readonly string[];
  /** Sockets anywhere in the round's folder. */
  readonly sockets: readonly string[];
  /** Whether the home's lock could be had, and its address was taken back. */
  readonly lockFree: boolean;
  readonly addressGone: boolean;
}

/** One JSON value a line, on disk (as far as the kit's own death matters) when `write` returns. */
export class Journal<T extends object> {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  write(record: T): void {
    writeSync(this.#file, `${JSON.stringify(record)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}
