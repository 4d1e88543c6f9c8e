/** The running turn of a process: its members, its running tools, and what it is waiting for at the moment. */

import { randomUUIDv7 } from "node:crypto";
import type { Waiting } from "../views.ts";
import type { Entry } from "./entry.ts";

export class OpenTurn {
  readonly id: string = randomUUIDv7();
  readonly members: Entry[] = [];
  readonly #tools = new Map<string, RunningTool>();
  #compacting = false;

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
