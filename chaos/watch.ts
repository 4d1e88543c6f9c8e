/**
 * Looks at the process table and the ledger many times a second: the samples are the auditor's evidence, the news are the
 * moments at which a fault may strike.
 */

import type { Journal, ProcessSeen, Sample } from "./evidence.ts";
import type { LedgerEye } from "./ledger-eye.ts";
import { ProcessTable } from "./process-table.ts";

export interface WatchOptions {
  readonly home: string;
  readonly eye: LedgerEye;
  readonly samples: Journal<Sample>;
  /** A process of Claude Code that was not there before. */
  onStarted(process: ProcessSeen): void;
  /** A reply has been committed. */
  onReply(replyId: string, chatId: string): void;
}

/** ms. A look costs about 2 ms. */
const everyMs = 40;

export class Watch {
  readonly #options: WatchOptions;
  readonly #table: ProcessTable;
  readonly #timer: NodeJS.Timeout;
  readonly #generations = new Set<number>();
  #processes: readonly ProcessSeen[] = [];
  #written = "";
  #open = new Map<string, number>();
  #reply = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#table = new ProcessTable(options.home);
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  /** As of the last look. */
  get processes(): readonly ProcessSeen[] {
    return this.#processes;
  }

  /** How many messages of a chat are open, or of all chats. */
  open(chatId?: string): number {
    if (chatId !== undefined) return this.#open.get(chatId) ?? 0;
    return [...this.#open.values()].reduce((sum, n) => sum + n, 0);
  }

  /** The newest generation's; what it forks looks like it for a moment, and is younger. */
  claudeOf(space: string): ProcessSeen | undefined {
    return this.#processes
      .filter((process) => process.claude && process.space === space)
      .toSorted((a, b) => b.generation - a.generation || a.startTime - b.startTime)[0];
  }

  look(): void {
    this.#processes = this.#table.look();
    const text = JSON.stringify(this.#processes);
    if (text !== this.#written) {
      this.#options.samples.write({ at: Date.now(), processes: this.#processes });
      this.#written = text;
    }
    for (const process of this.#processes) {
      if (!process.claude || this.#generations.has(process.generation)) continue;
      this.#generations.add(process.generation);
      this.#options.onStarted(process);
    }
    this.#open = this.#options.eye.open() ?? this.#open;
    const reply = this.#options.eye.newestReply();
    if (reply === null || reply.row === this.#reply) return;
    this.#reply = reply.row;
    this.#options.onReply(reply.id, reply.chatId);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
