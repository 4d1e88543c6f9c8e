/**
 * One process serving a session, from its spawn until nothing of its tree is left, with the turn that runs in it.
 *
 * It is starting until `ready`, then idle or busy, and closing from the moment that we decided to end it. A turn begins
 * with the first message that the process takes while none runs, or with the process itself when it takes up a turn that
 * was cut; those that it takes after that are members too. Everything that it tells comes in here and nowhere else, so
 * nothing of it can touch its successor.
 */

import { randomUUIDv7 } from "node:crypto";
import type {
  Block,
  Claude,
  ClaudeEvent,
  ClaudeProcess,
  CompactionOutcome,
  ToolRequest,
} from "../claude/index.ts";
import type { Clock } from "../clock.ts";
import type { Policy } from "../contacts/tiers.ts";
import type { Gateway, Hold, ModelRequest, ModelUsage } from "../gateway/index.ts";
import type { Waiting } from "../views.ts";
import type { Continuation } from "./aftermath.ts";
import type { Approvals } from "./approvals.ts";
import type { Book } from "./book.ts";
import type { EndReason } from "./ends.ts";
import { currentUuid, type End, type Entry } from "./entry.ts";
import { Gate, sandboxOf } from "./gate.ts";
import type { Ground } from "./ground.ts";
import { limits, type Ping, type ProcessSnapshot } from "./health.ts";
import { failureNotices } from "./notices.ts";
import { endingsOf, outcomeOf } from "./outcome.ts";
import { isPoisoned } from "./poison.ts";
import type { Tenant } from "./pool.ts";
import type { Owner, Served, Spare } from "./spares.ts";
import { recordCall, recordDenial } from "./tools.ts";
import { OpenTurn, timeoutOf } from "./turn.ts";

type TurnEnded = Extract<ClaudeEvent, { type: "done" | "failed" }>;

export interface ServingOptions {
  generation: number;
  policy: Policy;
  ground: Ground;
  /** Of everything of Switchboard: no tool reaches into it but into the session's own folders. */
  home: string;
  /** Whose process it is; null: one is launched. */
  spare: Spare | null;
  tenant: Tenant;
  /** The cut turn that it takes up, its tries charged. */
  continuation: Continuation | null;
  /** The conversation is to be made shorter before anything is said. */
  compact: boolean;
  book: Book;
  claude: Claude;
  gateway: Gateway;
  approvals: Approvals;
  clock: Clock;
  /** It takes messages now. */
  onReady(): void;
  onText(piece: { turnId: string; offset: number; text: string }): void;
  /** These messages have their end. */
  onEnd(ends: Array<{ entry: Entry; end: End }>): void;
  /** A message that the process will not run. */
  onDropped(entry: Entry): void;
  /** Its members stay in hand; the process has to be ended. */
  onTooLong(members: readonly Entry[]): void;
  /** The same of a conversation in which a picture or document is refused that may be none of the members' own. */
  onPoisoned(members: readonly Entry[]): void;
  /** `failed`: the model's API, or the process, did not let it come to an answer. */
  onTurnEnded(failed: boolean): void;
  /** The model's API lets nobody through for a while. */
  onHeld(hold: Hold): void;
  /** Whether a request may leave for the model. */
  mayAsk(): boolean;
  /** An answer of the model has used something. */
  onUsage(usage: ModelUsage): void;
  onCompacted(outcome: CompactionOutcome): void;
}

/** How it ended. */
export interface Over {
  reason: string;
  stderr: string;
  /** Nobody had asked for it, or it was sick. */
  unexpected: boolean;
  /** Its end was no fault of the messages in it. */
  excused: boolean;
  /** Claude Code found no conversation in the transcript. */
  unresumable: boolean;
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
  /** Ours, of the session that it serves. */
  readonly sessionId: string;
  /** Wall time in ms. */
  readonly since: number;
  readonly over: Promise<Over>;
  /** What its end put back into the queue; the session says so when it has recovered. */
  readonly requeued = Promise.withResolvers<string[]>();
  readonly #options: ServingOptions;
  readonly #process: ClaudeProcess;
  readonly #gate: Gate;
  /** By the uuid under which the process knows them. */
  readonly #hands = new Map<string, Entry[]>();
  readonly #over = Promise.withResolvers<Over>();
  readonly #revokeToken: () => void;
  #cancelLimit: () => void;
  readonly #begun: number;
  /** The facts that were handed over last; told when the turn that took them in has ended. */
  #facts: string | null;
  #turn: OpenTurn | null = null;
  #request: Pick<ModelRequest, "n" | "leftAt" | "firstByteAt"> | null = null;
  /** Requests that the gateway has in hand. */
  readonly #asking = new Set<number>();
  #progressAt: number;
  #ping: Ping & { cpuMs: number } = { missed: 0, worked: false, stopped: false, cpuMs: 0 };
  #closing: { reason: EndReason; sick: boolean } | null = null;
  #isRetiring = false;
  #ready = false;
  readonly #readiness = Promise.withResolvers<void>();
  #isGone = false;
  readonly #goneSignal = new AbortController();
  #isWarming = false;
  /** Until then it takes no messages: it has something to do that must come first. */
  #occupied: boolean;
  #worked = false;
  /** Of a turn that failed before any message was in it: why, most likely, the process is about to end. */
  #cause: string | null = null;

  /** Throws when the process cannot be spawned. */
  constructor(options: ServingOptions) {
    const { generation, policy, ground, home, spare, continuation, compact, book, clock } = options;
    this.#options = options;
    this.generation = generation;
    this.policy = policy;
    this.sessionId = book.known.record.id;
    this.#gate = new Gate(policy, ground.space, home);
    this.since = clock.now();
    this.#begun = clock.monotonic();
    this.#progressAt = this.#begun;
    this.#occupied = continuation !== null || compact;
    this.over = this.#over.promise;
    this.#facts = ground.transcript === null ? null : book.known.record.toldFacts;
    for (const entry of continuation?.entries ?? []) {
      entry.phase = "taken";
      this.#hold(entry);
    }
    const owner: Owner = {
      onRequest: (request) => this.#noteRequest(request),
      onHeld: (hold) => options.onHeld(hold),
      mayLeave: () => options.mayAsk(),
      onUsage: (usage) => options.onUsage(usage),
      beforeTool: (call) => this.#beforeTool(call),
      onEvent: (event) => this.#on(event),
    };
    const served = spare === null ? this.#launch(owner) : spare.handOver(owner, options.tenant);
    this.#process = served.process;
    this.#revokeToken = served.revokeToken;
    this.#ready = spare !== null;
    if (compact) this.#process.compact();
    this.#cancelLimit = this.#ready
      ? () => {}
      : clock.after(limits.start, () => this.fail("it did not start up", "kill"));
  }

  #launch({ onRequest, onHeld, mayLeave, onUsage, beforeTool, onEvent }: Owner): Served {
    const { generation, policy, ground, continuation, claude, gateway } = this.#options;
    const { token, revoke } = gateway.issue({
      generation,
      // A cut turn is run on before the process knows its hooks: a call would be made that nobody was asked about.
      ...(continuation !== null && { admitted: this.#readiness.promise }),
      isWarming: () => this.#isWarming,
      ...{ onRequest, onHeld, mayLeave, onUsage },
    });
    try {
      const process = claude.launch({
        generation,
        space: ground.space,
        session: { sdkSessionId: ground.sdkSessionId, ...beginning(ground, continuation) },
        model: policy.model,
        fallbackModel: policy.fallbackModel,
        systemPrompt: policy.systemPrompt,
        tools: policy.tools,
        sandbox: sandboxOf(policy, this.#options.home),
        costSoFarUsd: ground.costSoFarUsd,
        api: { baseUrl: gateway.url, token },
        beforeTool,
        onEvent,
      });
      return { process, revokeToken: revoke };
    } catch (error) {
      revoke();
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  get state(): "starting" | "idle" | "busy" | "closing" {
    if (this.#closing !== null || this.#isGone) return "closing";
    if (!this.#ready) return "starting";
    return this.#hands.size === 0 && this.#turn === null && !this.#occupied ? "idle" : "busy";
  }

  get hasHands(): boolean {
    return this.#hands.size > 0;
  }

  get isRetiring(): boolean {
    return this.#isRetiring;
  }

  /** Whether messages may be handed over. */
  get takesMessages(): boolean {
    return this.state !== "closing" && !this.#occupied && !this.#isRetiring;
  }

  /** Resolves when everything that is in its hands now has its end, or has gone back to the queue. */
  get handsFree(): Promise<unknown> {
    const ends = [...this.#hands.values()].flat().map(({ end }) => end.promise);
    return Promise.race([Promise.all(ends), this.over]);
  }

  /** What its messages wait for. */
  get waiting(): Waiting {
    if (this.state === "starting" || this.state === "closing") return { for: "start" };
    return this.#turn?.waiting ?? { for: this.#options.compact && this.#occupied ? "compaction" : "model" };
  }

  /** What is known of its health; `idleSince` and the rest of the judgement are the session's. */
  snapshot(idleSince: number | null, bytes: number | null): ProcessSnapshot {
    const { state } = this;
    const { for: shown } = this.waiting;
    // A tool that runs beside a question is held to its own limit.
    const waiting = shown === "approval" && this.#turn?.tools.length !== 0 ? "tool" : shown;
    const hasWork = this.#turn !== null || this.#occupied || this.hasHands;
    return {
      state: state === "closing" ? "busy" : state,
      since: this.#begun,
      idleSince,
      waiting: hasWork && waiting !== "start" && waiting !== "slot" && waiting !== "limit" ? waiting : null,
      progressAt: this.#progressAt,
      asking: this.#asking.size > 0 || this.#options.claude.isDirect,
      tools: this.#turn?.tools ?? [],
      ping: this.#ping,
      bytes,
    };
  }

  /** Hands over what is one turn. `facts`: what is true of the contact now; it is told when it is news. */
  handOver(
    parcel: readonly Entry[],
    facts: string,
    contentOf: (entry: Entry, news: string | null) => Block[],
  ): void {
    const [first] = parcel;
    if (first === undefined) return;
    first.facts = facts === this.#facts ? null : facts;
    this.#facts = facts;
    for (const entry of parcel) {
      entry.phase = "handed";
      this.#hold(entry);
    }
    const blocks = parcel.flatMap((entry) => contentOf(entry, entry.facts));
    for (const entry of parcel) entry.files = [];
    // The API joins blocks by nothing.
    const last = blocks.length - 1;
    this.#process.send(
      currentUuid(first),
      blocks.map((block, at) => (at === last || typeof block !== "string" ? block : `${block}\n`)),
    );
  }

  /**
   * Looks whether it answers before `limit`; what else speaks for or against it is noted when it does not. One that
   * starts up cannot answer yet, and a dead one has answered by its end.
   */
  async look(limit: Promise<void>): Promise<void> {
    const answer = this.#process.ping().then(
      () => true,
      () => true,
    );
    const answered = this.#ready && (await Promise.race([answer, limit.then(() => false)]));
    if (answered) {
      this.#ping = { missed: 0, worked: false, stopped: false, cpuMs: 0 };
      return;
    }
    const now = this.#process.activity() ?? { stopped: false, cpuMs: 0 };
    const { missed, cpuMs } = this.#ping;
    this.#ping = { ...now, missed: missed + 1, worked: missed > 0 && now.cpuMs > cpuMs };
  }

  /** Stops what is in its hands; one that is still starting up cannot be interrupted and is ended. */
  interrupt(): void {
    if (this.#closing !== null || !this.hasHands) return;
    this.#turn?.stop();
    if (this.#ready) this.#process.interrupt().catch(() => {});
    else this.close("stopped while starting", "terminate");
  }

  /** Ends it, if that is not under way yet. */
  close(reason: EndReason, force: Force = this.hasHands ? "terminate" : "order"): void {
    this.#end({ reason, sick: false }, force);
  }

  /** It takes on nothing more, and ends when what is in its hands has its end. */
  retire(reason: EndReason): void {
    this.#isRetiring = true;
    void this.handsFree.then(() => this.close(reason));
  }

  /** Ends it because something is wrong with it. */
  fail(reason: EndReason, force: "terminate" | "kill"): void {
    this.#end({ reason, sick: true }, force);
  }

  #end(why: { reason: EndReason; sick: boolean }, force: Force): void {
    if (this.#closing !== null && force === "order") return;
    this.#closing ??= why;
    this.#cancelLimit();
    if (force === "order") void this.#process.close();
    else void this.#process.kill(force === "kill" ? 0 : undefined);
  }

  #hold(entry: Entry): void {
    const uuid = currentUuid(entry);
    const there = this.#hands.get(uuid);
    if (there === undefined) this.#hands.set(uuid, [entry]);
    else there.push(entry);
  }

  #on(event: ClaudeEvent): void {
    // Its messages may be in a successor's hands by now.
    if (this.#isGone) return;
    if (event.type !== "gone") this.#progressAt = this.#options.clock.monotonic();
    switch (event.type) {
      case "ready":
        this.#becomeReady();
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
        this.#toolEnded(event);
        break;
      case "waiting":
        // Through the gateway it is known by its request.
        if (this.#options.claude.isDirect && event.for === "model") this.#runsOn();
        this.#turn?.waits(event.for);
        break;
      case "compacted":
        this.#occupied = false;
        this.#options.onCompacted(event.outcome);
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

  #becomeReady(): void {
    const { continuation, clock, onReady } = this.#options;
    this.#ready = true;
    this.#readiness.resolve();
    this.#cancelLimit();
    // A cut turn may run again before its process says that it is ready.
    if (continuation !== null && this.#occupied) {
      this.#cancelLimit = clock.after(limits.continuation, () =>
        this.fail("it did not take up the turn that was cut", "kill"),
      );
    }
    onReady();
    if (!this.#occupied && !this.hasHands) this.#warm();
  }

  /** It was started ahead of its message. */
  #warm(): void {
    const done = () => {
      this.#isWarming = false;
    };
    this.#isWarming = true;
    this.#process.warm().then(done, done);
  }

  #taken(sdkUuid: string): void {
    // What is told of a continued turn is a hint: its members are known, and it runs when it asks the model.
    const entries = this.#hands.get(sdkUuid)?.filter(({ phase }) => phase !== "taken") ?? [];
    if (entries.length === 0) return;
    for (const entry of entries) entry.phase = "taken";
    this.#worked = true;
    if (this.#turn === null) this.#begin(entries);
    else this.#join(this.#turn, entries);
  }

  #begin(entries: readonly Entry[]): void {
    const { book } = this.#options;
    const turn = new OpenTurn();
    this.#turn = turn;
    turn.members.push(...entries);
    const begin = {
      id: turn.id,
      sessionId: book.known.record.id,
      generation: this.generation,
      messageIds: idsOf(entries),
    };
    book.later((ledger, lease) => ledger.beginTurn(lease, begin));
  }

  #join(turn: OpenTurn, entries: readonly Entry[]): void {
    turn.members.push(...entries);
    const messageIds = idsOf(entries);
    this.#options.book.later((ledger, lease) => ledger.joinTurn(lease, turn.id, messageIds));
  }

  #dropped(sdkUuid: string): void {
    const entries = this.#hands.get(sdkUuid);
    if (entries === undefined) return;
    this.#hands.delete(sdkUuid);
    // What they bore has not been told.
    if (entries.some(({ facts }) => facts !== null)) this.#facts = this.#options.book.known.record.toldFacts;
    for (const entry of entries) this.#options.onDropped(entry);
  }

  async #beforeTool(call: ToolRequest): Promise<string | null> {
    const turn = this.#turn;
    if (turn === null || this.#isGone) return "No turn of Switchboard runs.";
    const { book, policy, clock } = this.#options;
    const verdict = await this.#gate.judge(call);
    if (verdict.verdict === "deny") return await recordDenial(book, call, verdict.reason);
    if (verdict.verdict === "ask") {
      const refusal = await this.#askPerson(turn, call, verdict.reason);
      if (refusal !== null) return await recordDenial(book, call, refusal);
    }
    const denial = await recordCall(book, {
      call,
      turnId: turn.id,
      generation: this.generation,
      messageIds: idsOf(turn.members),
      once: policy.once.includes(call.name),
    });
    if (denial === null) {
      const since = clock.monotonic();
      this.#progressAt = since;
      turn.toolBegins(call.toolUseId, { since, timeoutMs: timeoutOf(call.input) });
    }
    return denial;
  }

  /** Null: a person allows it. */
  async #askPerson(turn: OpenTurn, call: ToolRequest, reason: string): Promise<string | null> {
    const { book, approvals } = this.#options;
    const [first] = turn.members;
    if (first === undefined) return "No message of anybody asks for it.";
    const question = { call, messageId: first.message.id, reason };
    try {
      return await approvals.ask(book, question, {
        stopped: turn.stopped,
        gone: this.#goneSignal.signal,
        onWaiting: (until) => turn.asks(call.toolUseId, until),
      });
    } finally {
      turn.asksNoMore(call.toolUseId);
      this.#progressAt = this.#options.clock.monotonic();
    }
  }

  #toolEnded({ toolUseId, state }: Extract<ClaudeEvent, { type: "tool" }>): void {
    const turn = this.#turn;
    if (turn === null) return;
    turn.toolEnds(toolUseId);
    this.#options.book.later((ledger, lease) => ledger.endTool(lease, turn.id, toolUseId, state));
  }

  #turnEnded(event: TurnEnded): void {
    const turn = this.#turn;
    turn?.stop();
    this.#occupied = false;
    // Once: what is too long for the shortened conversation, or for none, is too long by itself.
    if (
      turn?.members.every(({ again }) => !again) &&
      event.type === "failed" &&
      event.code === "context_too_long"
    ) {
      this.#options.onTooLong(turn.members);
      return;
    }
    const { suspect } = this.#options.ground;
    if (turn !== null && event.type === "failed" && isPoisoned(event, turn.members, suspect)) {
      this.#options.onPoisoned(turn.members);
      return;
    }
    this.#turn = null;
    this.#cancelLimit();
    if (turn === null && event.type === "failed") this.#cause = event.message;
    if (turn === null && event.type === "done") {
      const text = "Claude ran a turn that no message had started; it makes no reply.";
      this.#options.book.note({ type: "notice", code: "unasked_turn", text });
    }
    if (turn !== null) this.#record(turn, event);
    this.#request = null;
    this.#options.onTurnEnded(turn !== null && event.type === "failed" && !event.interrupted);
  }

  /** Writes the turn's end, then lets its members go. */
  #record(turn: OpenTurn, event: TurnEnded): void {
    const { book } = this.#options;
    const page = book.known;
    const { record } = page;
    const { sdkSessionId } = event;
    // A turn that came to nothing may be left out of the conversation, and what it told with it.
    const told =
      event.type === "done" ? turn.members.findLast(({ facts }) => facts !== null)?.facts : undefined;
    const toldFacts = told ?? record.toldFacts;
    if (event.type === "failed") this.#facts = toldFacts;
    page.record = { ...record, sdkSessionId, toldFacts };
    const members = turn.members.map(({ message, stopRequested }) => ({ id: message.id, stopRequested }));
    const endings = endingsOf(event, members);
    const answered = event.type === "done" && endings.length === 0;
    const end = {
      turnId: turn.id,
      outcome: outcomeOf(endings),
      messageIds: members.map(({ id }) => id),
      reply: answered ? { id: randomUUIDv7(), text: event.text } : null,
      endings,
      notices: failureNotices(endings),
      proven: { sessionId: record.id, sdkSessionId, toldFacts },
      usage: event.usage,
      requestAt: this.#request?.leftAt ?? null,
      firstByteAt: this.#request?.firstByteAt ?? null,
    };
    book.later((ledger, lease) => ledger.endTurn(lease, end));
    for (const entry of turn.members) this.#hands.delete(currentUuid(entry));
    this.#options.onEnd(
      turn.members.map((entry, at) => ({
        entry,
        end: { status: endings[at]?.status ?? "answered", ran: true },
      })),
    );
  }

  #gone({ reason, stderr, unresumable }: Extract<ClaudeEvent, { type: "gone" }>): void {
    this.#isGone = true;
    this.#goneSignal.abort();
    this.#cancelLimit();
    this.#revokeToken();
    const why = this.#closing?.reason ?? this.#cause ?? reason;
    this.#options.book.later((ledger, lease) => ledger.processEnded(lease, this.generation, why));
    const unexpected = this.#closing === null || this.#closing.sick;
    this.#over.resolve({
      reason: why,
      stderr,
      unexpected,
      // One that never started up has not read them; a cut turn runs before that.
      excused: !unexpected || (!this.#ready && this.#options.continuation === null),
      unresumable,
      lived: this.#options.clock.monotonic() - this.#begun,
      worked: this.#worked,
      turn: this.#turn,
    });
  }

  #noteRequest(request: ModelRequest): void {
    const { n, kind, leftAt, firstByteAt, endedAt } = request;
    if (kind !== "messages" || this.#isGone) return;
    this.#progressAt = this.#options.clock.monotonic();
    if (endedAt === null) this.#asking.add(n);
    else this.#asking.delete(n);
    this.#runsOn();
    // Only the first request of a turn is kept; one that belongs to an earlier turn may still be ending.
    const begins = this.#request === null && firstByteAt === null && endedAt === null;
    if (begins || this.#request?.n === n) this.#request = { n, leftAt, firstByteAt };
  }

  /** The model is asked: so a turn that was cut runs again. */
  #runsOn(): void {
    const { continuation } = this.#options;
    if (continuation !== null && this.#occupied) this.#takeUp(continuation);
  }

  /** The turn that was cut runs again: now others may join it. */
  #takeUp({ entries }: Continuation): void {
    this.#occupied = false;
    this.#worked = true;
    if (this.#ready) this.#cancelLimit();
    this.#begin(entries);
    if (this.#ready) this.#options.onReady();
  }
}

function beginning(ground: Ground, continuation: Continuation | null) {
  if (ground.transcript === null) return { mode: "create" as const };
  if (continuation !== null) return { mode: "continue" as const, text: continuation.text };
  return { mode: "resume" as const };
}

function idsOf(entries: readonly Entry[]): string[] {
  return entries.map(({ message }) => message.id);
}
