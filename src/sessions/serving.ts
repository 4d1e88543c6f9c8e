/**
 * One process serving a session, from its spawn until nothing of its tree is left, with the turn that runs in it.
 *
 * It is starting until `ready`, then idle or busy, and closing from the moment that we decided to end it. A turn begins
 * with the first message that the process takes while none runs; those that it takes after that are members too.
 * Everything that it tells comes in here and nowhere else, so nothing of it can touch its successor.
 */

import { randomUUIDv7 } from "node:crypto";
import type { Claude, ClaudeEvent, ClaudeProcess } from "../claude/index.ts";
import type { Clock } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import type { Gateway, ModelRequest } from "../gateway/index.ts";
import type { Waiting } from "../views.ts";
import type { Book } from "./book.ts";
import { currentUuid, type End, type Entry } from "./entry.ts";
import type { Ground } from "./ground.ts";
import { startLimitMs } from "./health.ts";
import { endingsOf, outcomeOf } from "./outcome.ts";
import { OpenTurn } from "./turn.ts";

type TurnEnded = Extract<ClaudeEvent, { type: "done" | "failed" }>;

export interface ServingOptions {
  generation: number;
  policy: Policy;
  ground: Ground;
  book: Book;
  claude: Claude;
  gateway: Gateway;
  clock: Clock;
  onReady(): void;
  onText(piece: { turnId: string; offset: number; text: string }): void;
  /** These messages have their end. */
  onEnd(ends: Array<{ entry: Entry; end: End }>): void;
  /** A message that the process will not run. */
  onDropped(entry: Entry): void;
  onTurnEnded(): void;
}

/** How it ended. */
export interface Over {
  reason: string;
  stderr: string;
  /** Nobody had asked for it, or it did not start up. */
  unexpected: boolean;
  /** ms. */
  lived: number;
  /** Whether it has taken any message. */
  worked: boolean;
  /** The turn that was cut, with all its members. */
  turn: OpenTurn | null;
}

/** How to end it. `order`: for an idle one; what a busy one still did would be lost. `kill`: it cannot react. */
type Force = "order" | "terminate" | "kill";

export class Serving {
  readonly generation: number;
  readonly policy: Policy;
  /** Wall time in ms. */
  readonly since: number;
  readonly over: Promise<Over>;
  /** What its end put back into the queue; the session says so when it has recovered. */
  readonly requeued = Promise.withResolvers<string[]>();
  readonly #options: ServingOptions;
  readonly #process: ClaudeProcess;
  readonly #hands = new Map<string, Entry>();
  readonly #over = Promise.withResolvers<Over>();
  readonly #revokeToken: () => void;
  readonly #cancelStartLimit: () => void;
  readonly #begun: number;
  /** The facts that were handed over last; told when the turn that took them in has ended. */
  #facts: string | null;
  #turn: OpenTurn | null = null;
  #request: Pick<ModelRequest, "n" | "leftAt" | "firstByteAt"> | null = null;
  #closing: string | null = null;
  #ready = false;
  #startedTooLate = false;
  #worked = false;
  #failuresInARow = 0;
  /** Of a turn that failed before any message was in it: why, most likely, the process is about to end. */
  #cause: string | null = null;

  /** Throws when the process cannot be spawned. */
  constructor(options: ServingOptions) {
    const { generation, policy, ground, book, claude, gateway, clock } = options;
    this.#options = options;
    this.generation = generation;
    this.policy = policy;
    this.since = clock.now();
    this.#begun = clock.monotonic();
    this.over = this.#over.promise;
    this.#facts = ground.transcript === null ? null : book.known.record.toldFacts;
    const { token, revoke } = gateway.issue({
      generation,
      onRequest: (request) => this.#noteRequest(request),
    });
    this.#revokeToken = revoke;
    try {
      this.#process = claude.launch({
        generation,
        space: ground.space,
        session: {
          mode: ground.transcript === null ? "create" : "resume",
          sdkSessionId: ground.sdkSessionId,
        },
        model: policy.model,
        fallbackModel: policy.fallbackModel,
        systemPrompt: policy.systemPrompt,
        tools: policy.tools,
        costSoFarUsd: ground.costSoFarUsd,
        api: { baseUrl: gateway.url, token },
        onEvent: (event) => this.#on(event),
      });
    } catch (error) {
      revoke();
      throw error;
    }
    this.#cancelStartLimit = clock.after(startLimitMs, () => {
      this.#startedTooLate = true;
      this.close("it did not start up", "kill");
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  get state(): "starting" | "idle" | "busy" | "closing" {
    if (this.#closing !== null) return "closing";
    if (!this.#ready) return "starting";
    return this.#hands.size === 0 && this.#turn === null ? "idle" : "busy";
  }

  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  get hasHands(): boolean {
    return this.#hands.size > 0;
  }

  /** Resolves when everything that is in its hands now has its end, or has gone back to the queue. */
  get handsFree(): Promise<unknown> {
    return Promise.race([Promise.all([...this.#hands.values()].map(({ end }) => end.promise)), this.over]);
  }

  /** What its messages wait for. */
  get waiting(): Waiting {
    if (this.state === "starting" || this.state === "closing") return { for: "start" };
    return this.#turn?.waiting ?? { for: "model" };
  }

  /** `facts`: what is true of the contact now; it is told when it is news. */
  handOver(entry: Entry, facts: string, contentOf: (news: string | null) => string[]): void {
    entry.facts = facts === this.#facts ? null : facts;
    this.#facts = facts;
    entry.phase = "handed";
    this.#hands.set(currentUuid(entry), entry);
    this.#process.send(currentUuid(entry), contentOf(entry.facts));
  }

  /** Resolves when it has answered (a dead one has, by its end). Does not settle while it hangs. */
  ping(): Promise<void> {
    return this.#process.ping().catch(() => {});
  }

  /** Stops what is in its hands; one that is still starting up cannot be interrupted and is ended. */
  interrupt(): void {
    if (this.#closing !== null || !this.hasHands) return;
    if (this.#ready) this.#process.interrupt().catch(() => {});
    else this.close("stopped while starting", "terminate");
  }

  /** Ends it, if that is not under way yet. */
  close(reason: string, force: Force = this.hasHands ? "terminate" : "order"): void {
    if (this.#closing !== null && force === "order") return;
    this.#closing ??= reason;
    if (force === "order") void this.#process.close();
    else void this.#process.kill(force === "kill" ? 0 : undefined);
  }

  #on(event: ClaudeEvent): void {
    switch (event.type) {
      case "ready":
        this.#ready = true;
        this.#cancelStartLimit();
        this.#options.onReady();
        break;
      case "taken":
        this.#taken(event.sdkUuid);
        break;
      case "dropped":
        this.#dropped(event.sdkUuid);
        break;
      case "text":
        if (this.#turn === null) break;
        this.#options.onText({ turnId: this.#turn.id, offset: event.offset, text: event.text });
        break;
      case "tool":
        if (this.#turn === null) break;
        this.#turn.tool(event.toolUseId, event.state);
        this.#options.book.note({ ...event, turnId: this.#turn.id });
        break;
      case "waiting":
        this.#turn?.waits(event.for);
        break;
      case "done":
      case "failed":
        this.#turnEnded(event);
        break;
      case "gone":
        this.#gone(event);
        break;
    }
  }

  #taken(sdkUuid: string): void {
    const entry = this.#hands.get(sdkUuid);
    if (entry === undefined) return;
    entry.phase = "taken";
    this.#worked = true;
    const { book } = this.#options;
    const messageIds = [entry.message.id];
    if (this.#turn === null) {
      const { id } = this.#beginTurn();
      const begin = { id, sessionId: book.known.record.id, generation: this.generation, messageIds };
      book.later((ledger, lease) => ledger.beginTurn(lease, begin));
    } else {
      const { id } = this.#turn;
      book.later((ledger, lease) => ledger.joinTurn(lease, id, messageIds));
    }
    this.#turn?.members.push(entry);
  }

  #beginTurn(): OpenTurn {
    const turn = new OpenTurn();
    this.#turn = turn;
    return turn;
  }

  #dropped(sdkUuid: string): void {
    const entry = this.#hands.get(sdkUuid);
    if (entry === undefined) return;
    this.#hands.delete(sdkUuid);
    // What it bore has not been told.
    if (entry.facts !== null) this.#facts = this.#options.book.known.record.toldFacts;
    this.#options.onDropped(entry);
  }

  #turnEnded(event: TurnEnded): void {
    const turn = this.#turn;
    this.#turn = null;
    if (event.type === "done") this.#failuresInARow = 0;
    else if (!event.interrupted) this.#failuresInARow += 1;
    if (turn !== null) this.#record(turn, event);
    else if (event.type === "failed") this.#cause = event.message;
    else {
      const text = "Claude ran a turn that no message had started; it makes no reply.";
      this.#options.book.note({ type: "notice", code: "unasked_turn", text });
    }
    this.#request = null;
    this.#options.onTurnEnded();
  }

  /** Writes the turn's end, then lets its members go. */
  #record(turn: OpenTurn, event: TurnEnded): void {
    const page = this.#options.book.known;
    const { record } = page;
    const { sdkSessionId } = event;
    const toldFacts = turn.members.findLast(({ facts }) => facts !== null)?.facts ?? record.toldFacts;
    page.record = { ...record, sdkSessionId, toldFacts };
    const members = turn.members.map(({ message, stopRequested }) => ({ id: message.id, stopRequested }));
    const endings = endingsOf(event, members);
    const answered = event.type === "done" && endings.length === 0;
    const end = {
      turnId: turn.id,
      outcome: outcomeOf(endings),
      messageIds: members.map(({ id }) => id),
      // A reply that is fetched is sent with its commit; channels that deliver theirs will begin with `pending`.
      reply: answered ? { id: randomUUIDv7(), text: event.text, status: "sent" as const } : null,
      endings,
      proven: { sessionId: record.id, sdkSessionId, toldFacts },
      usage: event.usage,
      requestAt: this.#request?.leftAt ?? null,
      firstByteAt: this.#request?.firstByteAt ?? null,
    };
    this.#options.book.later((ledger, lease) => ledger.endTurn(lease, end));
    for (const entry of turn.members) this.#hands.delete(currentUuid(entry));
    this.#options.onEnd(
      turn.members.map((entry, at) => ({
        entry,
        end: { status: endings[at]?.status ?? "answered", ran: true },
      })),
    );
  }

  #gone({ reason, stderr }: Extract<ClaudeEvent, { type: "gone" }>): void {
    this.#cancelStartLimit();
    this.#revokeToken();
    const why = this.#closing ?? this.#cause ?? reason;
    this.#options.book.later((ledger, lease) => ledger.processEnded(lease, this.generation, why));
    this.#over.resolve({
      reason: why,
      stderr,
      unexpected: this.#closing === null || this.#startedTooLate,
      lived: this.#options.clock.monotonic() - this.#begun,
      worked: this.#worked,
      turn: this.#turn,
    });
  }

  /** Only the first request of a turn is kept; one that belongs to an earlier turn may still be ending. */
  #noteRequest({ n, kind, leftAt, firstByteAt, endedAt }: ModelRequest): void {
    if (kind !== "messages") return;
    const begins = this.#request === null && firstByteAt === null && endedAt === null;
    if (begins || this.#request?.n === n) this.#request = { n, leftAt, firstByteAt };
  }
}
