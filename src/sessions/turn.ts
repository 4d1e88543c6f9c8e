/** The running turn of a process: its members, and what it is waiting for at the moment. */

import { randomUUIDv7 } from "node:crypto";
import type { Waiting } from "../views.ts";
import type { Entry } from "./entry.ts";

export class OpenTurn {
  readonly id: string = randomUUIDv7();
  readonly members: Entry[] = [];
  readonly #runningTools = new Set<string>();
  #compacting = false;

  tool(toolUseId: string, state: "started" | "finished" | "failed"): void {
    if (state === "started") this.#runningTools.add(toolUseId);
    else this.#runningTools.delete(toolUseId);
  }

  waits(reason: "model" | "compaction"): void {
    this.#compacting = reason === "compaction";
  }

  get waiting(): Waiting {
    if (this.#compacting) return { for: "compaction" };
    return { for: this.#runningTools.size > 0 ? "tool" : "model" };
  }
}
