/**
 * Spares: processes that have started before anybody needs them, so that a new chat does not wait for a start.
 *
 * - A spare is started with all that its tier decides, in a space of its own under the id of the session that it will be: a
 *   process cannot be moved to another space, nor to a session that has a transcript (SDK-FACTS 9.6). So it is for new chats.
 * - It has been told a note that names no contact, which takes the rest of the start-up out of the first message's way.
 * - It lives in room that nobody needs: it starts only where there is some, and is the first to close for anybody else.
 * - As many are kept as the operator allows, of the tiers that the last new chats had.
 */

import { randomUUID } from "node:crypto";
import {
  type Claude,
  type ClaudeEvent,
  type ClaudeProcess,
  type Launch,
  openSpace,
  removeSpace,
  type Space,
  spaceOf,
} from "../claude/index.ts";
import type { Clock } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import type { Gateway, TokenOptions } from "../gateway/index.ts";
import type { Logger } from "../log.ts";
import { sandboxOf } from "./gate.ts";
import type { Folders } from "./ground.ts";
import { limits, restartDelayMs } from "./health.ts";
import type { Pool, Tenant } from "./pool.ts";
import { clearAfter, forgetSpare, noteSpare } from "./running.ts";

export interface SparesOptions {
  /** Most that are kept. */
  count: number;
  claude: Claude;
  gateway: Gateway;
  pool: Pool;
  clock: Clock;
  log: Logger;
  folders: Folders;
}

/** Who serves a session by a process hears what it does. */
export type Owner = Required<
  Pick<Launch, "beforeTool" | "onEvent"> & Pick<TokenOptions, "onRequest" | "onHeld" | "mayLeave" | "onUsage">
>;

/** A process and the right to ask the model, for whoever serves a session by it. */
export interface Served {
  process: ClaudeProcess;
  /** Ends that right. */
  revokeToken: () => void;
}

/** It stands before the first message, so it must be true of every contact. */
const note = "A note from Switchboard: a new conversation begins with the next message.";

/** ms after which one that was taken is replaced: its chat's first turn has the processor until then. */
const refillMs = 1000;

/** Processes are marked by a number of their own; a spare has no generation yet, so its number is above all of them. */
let lastNumber = 900_000_000_000_000;

/** Later than any chat's next message. */
const needsItLast = Number.MAX_SAFE_INTEGER;

export class Spares {
  #options: SparesOptions;
  readonly #spares = new Set<Spare>();
  /** Policies of the last new chats, the latest first. */
  #recent: readonly Policy[] = [];
  /** Starts that failed in a row. */
  #failures = 0;
  /** In ms of the monotonic clock. */
  #notBefore = 0;
  #closed = false;
  #cancelRefill: () => void = () => {};

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** Those that nobody has taken. */
  get all(): readonly Spare[] {
    return [...this.#spares];
  }

  /** How many wait for a chat. */
  get ready(): number {
    return this.all.filter(({ isReady }) => isReady).length;
  }

  /** The policies that new chats are likely to have, the likeliest first. */
  expect(policies: readonly Policy[]): void {
    this.#recent = policies.slice(0, this.#options.count);
  }

  /** Holds from the next look at what is missing on. */
  change({ count }: Pick<SparesOptions, "count">): void {
    this.#options = { ...this.#options, count };
  }

  /** For a new chat: one that is ready, if there is one. It has to be handed over or closed. */
  take(policy: Policy): Spare | null {
    this.expect([policy, ...this.#recent]);
    this.#cancelRefill();
    this.#cancelRefill = this.#options.clock.after(refillMs, () => this.keep());
    const spare = this.all.find((each) => each.isReady && each.policy === policy);
    spare?.take();
    return spare ?? null;
  }

  /** Starts one that is missing, if there is room, and closes those that are not wanted any more. */
  keep(): void {
    const { clock, pool } = this.#options;
    if (this.#closed) return;
    const missing = [...this.#recent];
    for (const spare of this.all.filter(({ isTaken }) => !isTaken)) {
      const at = missing.indexOf(spare.policy);
      if (at === -1) void spare.close();
      else missing.splice(at, 1);
    }
    const [policy] = missing;
    if (policy === undefined || clock.monotonic() < this.#notBefore || !pool.hasRoomToSpare) return;
    this.#start(policy);
  }

  /** For shutdown. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRefill();
    await Promise.all(this.all.map((spare) => spare.close()));
  }

  #start(policy: Policy): void {
    const spare: Spare = new Spare(policy, this.#options, {
      onReady: () => {
        this.#failures = 0;
        this.keep();
      },
      onGone: (wasReady) => {
        this.#spares.delete(spare);
        if (wasReady) return;
        this.#failures += 1;
        this.#notBefore = this.#options.clock.monotonic() + restartDelayMs(this.#failures);
      },
    });
    this.#spares.add(spare);
  }
}

interface SpareEvents {
  onReady(): void;
  /** Nothing is left of it, or somebody else has it. */
  onGone(wasReady: boolean): void;
}

export class Spare implements Tenant {
  /** Of the session that it will serve. */
  readonly sessionId = randomUUID();
  readonly policy: Policy;
  readonly space: Space;
  readonly #options: SparesOptions;
  readonly #events: SpareEvents;
  readonly #gone = Promise.withResolvers<void>();
  /** `taken`: its session id is a chat's. `owned`: its process is, too. */
  #state: "starting" | "ready" | "taken" | "owned" | "closing" = "starting";
  #wasTaken = false;
  #wasReady = false;
  #process: ClaudeProcess | null = null;
  #revokeToken: () => void = () => {};
  #owner: Owner | null = null;
  #startDone: () => void;
  #cancelLimit: () => void = () => {};

  /** There must be room to spare: it takes a place in the pool, and one among the starts. */
  constructor(policy: Policy, options: SparesOptions, events: SpareEvents) {
    const { pool, folders } = options;
    this.policy = policy;
    this.space = spaceOf(folders.spaces, this.sessionId);
    this.#options = options;
    this.#events = events;
    pool.take(this);
    void pool.starts.enter(new AbortController().signal);
    this.#startDone = () => {
      this.#startDone = () => {};
      pool.starts.leave();
    };
    this.#start().catch((error) => this.#failed(error));
  }

  // What the pool sees

  get untilNext(): number | null {
    return this.#state === "starting" || this.#state === "ready" ? needsItLast : null;
  }

  get isLeaving(): boolean {
    return this.#state === "closing";
  }

  yieldSlot(): void {
    void this.close();
  }

  // What its keeper and its chat see

  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isTaken(): boolean {
    return this.#wasTaken;
  }

  /** Whether it can be handed over. */
  get isWell(): boolean {
    return this.#state === "taken";
  }

  /** Null until it has been spawned. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** From now on its session id is a chat's: it closes for nobody else. */
  take(): void {
    this.#state = "taken";
    this.#wasTaken = true;
  }

  /** Its process, with its place in the pool, is the owner's. Throws unless it is well. */
  handOver(owner: Owner, tenant: Tenant): Served {
    const process = this.#process;
    if (process === null || !this.isWell) throw new Error("the spare has ended");
    this.#state = "owned";
    this.#owner = owner;
    this.#options.pool.transfer(this, tenant);
    this.#events.onGone(true);
    this.#gone.resolve();
    return { process, revokeToken: this.#revokeToken };
  }

  /** Ends it, unless somebody has it. Resolves when nothing of it is left. */
  async close(): Promise<void> {
    if (this.#state === "starting") {
      this.#state = "closing";
      void this.#process?.kill();
    } else if (this.#state === "ready" || this.#state === "taken") {
      this.#state = "closing";
      void this.#process?.close();
    }
    await this.#gone.promise;
  }

  async #start(): Promise<void> {
    const { claude, gateway, clock, folders } = this.#options;
    await noteSpare(folders, this.sessionId);
    const space = await openSpace(folders.spaces, this.sessionId);
    if (this.isLeaving) {
      await this.#clear();
      return;
    }
    lastNumber += 1;
    const { token, revoke } = gateway.issue({
      generation: lastNumber,
      onRequest: (request) => this.#owner?.onRequest(request),
      onHeld: (hold) => this.#owner?.onHeld(hold),
      mayLeave: () => this.#owner?.mayLeave() ?? true,
      onUsage: (usage) => this.#owner?.onUsage(usage),
    });
    this.#revokeToken = revoke;
    const { model, fallbackModel, systemPrompt, tools } = this.policy;
    this.#process = claude.launch({
      ...{ generation: lastNumber, space, model, fallbackModel, systemPrompt, tools },
      sandbox: sandboxOf(this.policy, folders.home),
      session: { sdkSessionId: this.sessionId, mode: "create" },
      costSoFarUsd: 0,
      api: { baseUrl: gateway.url, token },
      beforeTool: async (call) =>
        this.#owner === null ? "No chat is served here yet." : await this.#owner.beforeTool(call),
      onEvent: (event) => (this.#owner === null ? this.#on(event) : this.#owner.onEvent(event)),
    });
    this.#cancelLimit = clock.after(limits.start, () => void this.#process?.kill(0));
  }

  #on(event: ClaudeEvent): void {
    switch (event.type) {
      case "ready":
        this.#startDone();
        this.#process?.note(note);
        return;
      case "noted":
        this.#cancelLimit();
        if (this.#state !== "starting") return;
        this.#state = "ready";
        this.#wasReady = true;
        this.#events.onReady();
        return;
      case "gone":
        if (!this.isLeaving) {
          const { reason, stderr } = event;
          this.#options.log.warn(
            { tier: this.policy.tier, reason, stderr },
            "a spare process ended by itself",
          );
        }
        this.#state = "closing";
        void this.#clear();
        return;
      default:
        // Nobody asks it anything.
        return;
    }
  }

  #failed(error: unknown): void {
    this.#options.log.warn(
      { tier: this.policy.tier, error: String(error) },
      "a spare process was not started",
    );
    this.#state = "closing";
    void this.#clear();
  }

  /** No process of it is left. */
  async #clear(): Promise<void> {
    const { folders, pool, log } = this.#options;
    this.#cancelLimit();
    this.#startDone();
    this.#revokeToken();
    try {
      // A space that is a chat's stays: what stands in it is the beginning of that chat's conversation.
      if (this.#wasTaken) await clearAfter(folders, this.sessionId);
      else await removeSpace(folders.spaces, this.sessionId);
      await forgetSpare(folders, this.sessionId);
    } catch (error) {
      log.warn({ error: String(error) }, "what a spare process left could not be removed");
    }
    pool.release(this);
    this.#events.onGone(this.#wasReady);
    this.#gone.resolve();
  }
}
