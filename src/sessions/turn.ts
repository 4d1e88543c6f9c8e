/** The running turn of a process: its members, its running tools, and what it is waiting for at the moment. */

import { randomUUIDv7 } from "node:crypto";
import type { Waiting } from "../views.ts";
import type { Entry } from "./entry.ts";

export class OpenTurn {
  readonly id: string = randomUUIDv7();
  readonly members: Entry[] = [];
  readonly #tools = new Map<string, RunningTool>();
  /** Calls that wait for a person's yes: until when, in ms since the Unix epoch. */
  readonly #questions = new Map<string, number>();
  readonly #stopped = new AbortController();
  #compacting = false;

  /** Aborts when it has ended or is being stopped: nothing is asked for it any more. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** A call waits for a person's yes. */
  asks(toolUseId: string, until: number): void {
    this.#questions.set(toolUseId, until);
  }

  asksNoMore(toolUseId: string): void {
    this.#questions.delete(toolUseId);
  }

  toolBegins(toolUseId: string, tool: RunningTool): void {
    this.#tools.set(toolUseId, tool);
  }

  toolEnds(toolUseId: string): void {
    this.#tools.delete(toolUseId);
  }

  waits(reason: "model" | "compaction"): void {
    this.#compacting = reason === "compaction";
  }

  get tools(): RunningTool[] {
    return [...this.#tools.values()];
  }

  get waiting(): Waiting {
    if (this.#compacting) return { for: "compaction" };
    const until = Math.max(...this.#questions.values());
    if (this.#questions.size > 0) return { for: "approval", until: new Date(until).toISOString() };
    return { for: this.#tools.size > 0 ? "tool" : "model" };
  }
}

export interface RunningTool {
  /** In ms of the monotonic clock. */
  since: number;
  /** ms that it has declared to take at most; null when it has not. */
  timeoutMs: number | null;
}

/** ms that a call declares to take at most, as Bash's do; null when it does not. */
export function timeoutOf(input: unknown): number | null {
  if (typeof input !== "object" || input === null || !("timeout" in input)) return null;
  return typeof input.timeout === "number" && input.timeout > 0 ? input.timeout : null;
}
