/**
 * Supervises the sessions: keeps the map from chat to live session, and nothing else about a chat. A dormant chat
 * costs nothing here. There is no lock over several chats: what one session waits for never holds up another.
 */

import { sleep } from "../clock.ts";
import type { Acceptance, Claim, Contact, Inbound, Message, Try } from "../ledger/index.ts";
import type { ChatState, Waiting, WaitingFor } from "../views.ts";
import { restartDelayMs } from "./health.ts";
import { newcomerBytes, type Tenant } from "./pool.ts";
import { Session, type Surroundings } from "./session.ts";

/** Chats that are looked up at once when the daemon starts. */
const pageSize = 500;

/** ms. */
const lookAgainMs = 500;

/** Chats whose tiers tell what the next new one's will be. */
const sparesLookAt = 100;

/** ms beyond the drain limit in which what remains is ended in order; then everything is hurried. */
const drainMarginMs = 10_000;

export type ManagerOptions = Omit<Surroundings, "onDormant" | "onCrash"> & {
  healthCheckMs: number;
  /** Chats that may wait for a process; others are refused then. */
  maxWaiting: number;
  /** Bytes that each of these processes takes, with all that belongs to it. */
  weigh(pids: readonly number[]): Promise<ReadonlyMap<number, number>>;
  /** Tiers whose messages are accepted. */
  admitted: readonly string[];
};

/** A chat whose crashed session is being cleared away, with what was accepted for it meanwhile. */
interface Replacement {
  settled: Promise<void>;
  accepted: Message[];
}

export class Manager {
  #options: ManagerOptions;
  readonly #around: Surroundings;
  readonly #sessions = new Map<string, Session>();
  readonly #replacing = new Map<string, Replacement>();
  readonly #forgetting = new Set<Session>();
  /** Run loops that failed in a row, by chat; forgotten when the session comes to rest. */
  readonly #crashes = new Map<string, number>();
  readonly #stopChecks: () => void;
  readonly #outOfPatience = new AbortController();
  /** Acceptances under way for chats that have no place yet. */
  #arriving = 0;
  #draining = false;
  #isWeighing = false;
  #isOverMemory = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#around = {
      ...options,
      hurry: AbortSignal.any([options.hurry, this.#outOfPatience.signal]),
      onDormant: (session) => this.#forget(session),
      onCrash: (session, error) => this.#replace(session, error),
    };
    this.#stopChecks = options.clock.every(options.healthCheckMs, () => void this.#check());
  }

  /** Goes on with what is open in the ledger: for the start, before anything is accepted. */
  async recover(): Promise<void> {
    let after = "";
    for (;;) {
      const chats = await this.#options.ledger.chatsWithOpenMessages(after, pageSize);
      for (const chatId of chats) this.#adopt(chatId, await this.#options.ledger.openMessages(chatId));
      const last = chats.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  /**
   * Resumes chats that were active lately, the latest first, ahead of their next message: one at a time, and only as long
   * as there is room that nobody needs.
   */
  async resumeRecent(most: number): Promise<void> {
    const { ledger, clock, pool, limits, admitted } = this.#options;
    if (most === 0) return;
    const { chats } = await ledger.chats({ limit: most });
    for (const { chatId, contact, session, lastMessageAt } of chats) {
      if (lastMessageAt !== null && clock.now() - lastMessageAt > limits.idleMs) return;
      if (session === null || lastMessageAt === null || !admitted.includes(contact.tier)) continue;
      // What was left open by the last daemon comes first, and has not come to the pool yet.
      while (this.#waiting > 0 && !this.#draining) await sleep(clock, lookAgainMs, this.#around.hurry);
      if (this.#draining || !pool.hasRoomToSpare) return;
      const woken = await this.act(chatId, async (session) => session.wake());
      await woken?.started;
    }
  }

  /** New chats are likely to be of the tiers of those that were active last: spares are kept for them. */
  async expectNewChats(): Promise<void> {
    const { ledger, tiers, spares } = this.#options;
    const { chats } = await ledger.chats({ limit: sparesLookAt });
    spares.expect(chats.flatMap(({ contact }) => tiers.get(contact.tier) ?? []));
  }

  /** Stores a message and hands it to its session. Resolves when it is on disk. */
  async accept(inbound: Inbound, { tooFast = false }: { tooFast?: boolean } = {}): Promise<Acceptance> {
    const { ledger, admitted } = this.#options;
    const session = this.#sessions.get(inbound.chatId);
    const hasPlace = session?.hasPlace === true || this.#replacing.has(inbound.chatId);
    const crowded = tooFast || (!hasPlace && inbound.command === null && this.#isCrowded);
    const claim = session?.claim(inbound) ?? null;
    if (!hasPlace) this.#arriving += 1;
    try {
      const acceptance = await ledger.accept(inbound, admitted, { claim, crowded });
      if (acceptance.kind !== "accepted") return acceptance;
      this.contactChanged(inbound.chatId, acceptance.contact);
      this.#deliver(acceptance.message, acceptance.claimed ? claim : null);
      return acceptance;
    } finally {
      if (!hasPlace) this.#arriving -= 1;
      if (claim !== null) session?.unclaim();
    }
  }

  /** A contact was changed from outside. */
  contactChanged(chatId: string, contact: Contact): void {
    this.#sessions.get(chatId)?.contactChanged(contact);
  }

  /** What the config says has changed, the tiers with it. */
  change({ limits, maxWaiting }: Pick<ManagerOptions, "limits" | "maxWaiting">): void {
    this.#options = { ...this.#options, maxWaiting };
    // Each session looks there whenever it needs one.
    Object.assign(this.#options.limits, limits);
    for (const session of this.#sessions.values()) session.tiersChanged();
  }

  /** Does something with the chat's session; one is made for it when the chat is dormant. */
  async act<T>(chatId: string, action: (session: Session) => Promise<T>): Promise<T> {
    await this.#replacing.get(chatId)?.settled;
    // In one step: a session that nobody holds may be forgotten at any time.
    return await action(this.#session(chatId));
  }

  /** Null when the chat is dormant. */
  async actIfLive<T>(chatId: string, action: (session: Session) => Promise<T>): Promise<T | null> {
    await this.#replacing.get(chatId)?.settled;
    const session = this.#sessions.get(chatId);
    return session === undefined ? null : await action(session);
  }

  /** Of a chat that has rested since then, and has no process: false when it is otherwise by now. */
  async removeConversations(chatId: string, restingSince: number): Promise<boolean> {
    const live = this.#sessions.get(chatId);
    if (this.#draining || (live !== undefined && live.state !== "dormant")) return false;
    return await this.act(chatId, (session) => session.removeConversations(restingSince));
  }

  /** Null when the chat is dormant. */
  live(chatId: string): Session | null {
    return this.#sessions.get(chatId) ?? null;
  }

  /** Chats with a live session, in order of chat id. */
  liveChats(): string[] {
    return [...this.#sessions.keys()].sort();
  }

  /** Sessions by their state, and open messages by what they wait for. */
  census(): { states: Record<ChatState, number>; waiting: Record<WaitingFor, number> } {
    const states: Record<ChatState, number> = {
      ...{ starting: 0, idle: 0, busy: 0, closing: 0, dormant: 0, parked: 0, quarantined: 0 },
    };
    const waiting: Record<WaitingFor, number> = {
      ...{ slot: 0, start: 0, model: 0, tool: 0, approval: 0, limit: 0, compaction: 0, budget: 0 },
    };
    for (const session of this.#sessions.values()) {
      states[session.state] += 1;
      for (const reason of session.waits) waiting[reason] += 1;
    }
    return { states, waiting };
  }

  /** What an open message waits for. */
  waitingOf(message: Message): Waiting | null {
    if (message.status !== "queued" && message.status !== "sent") return null;
    return this.#sessions.get(message.chatId)?.waitingOf(message.id) ?? { for: "start" };
  }

  /** Lets turns end and closes every process. Resolves when none is left. */
  async drain(): Promise<void> {
    const { clock, limits } = this.#options;
    this.#draining = true;
    this.#stopChecks();
    const cancel = clock.after(limits.drainMs + drainMarginMs, () => this.#outOfPatience.abort());
    const sparesGone = this.#options.spares.close();
    await Promise.allSettled([...this.#replacing.values()].map(({ settled }) => settled));
    await Promise.allSettled([...this.#sessions.values()].map((session) => session.drain()));
    await sparesGone;
    cancel();
  }

  /**
   * Has everything about a chat forgotten but what is on disk. Until that is done it has no session; what is accepted for it
   * meanwhile is forgotten with it, or is a new chat's.
   */
  async forget(chatId: string): Promise<void> {
    await this.#replacing.get(chatId)?.settled;
    const session = this.#session(chatId);
    this.#sessions.delete(chatId);
    this.#forgetting.add(session);
    const forgotten = session.forget();
    const settled = forgotten
      .catch(() => session.abandon())
      .then(() => this.#openMessages(chatId))
      .then((open) => {
        this.#forgetting.delete(session);
        this.#replacing.delete(chatId);
        this.#crashes.delete(chatId);
        this.#options.budgets.forget(chatId);
        this.#adopt(chatId, open);
      });
    this.#replacing.set(chatId, { settled, accepted: [] });
    await forgotten.finally(() => settled);
  }

  async #check(): Promise<void> {
    await this.#weigh();
    if (this.#draining) return;
    this.#options.spares.keep();
    for (const session of this.#sessions.values()) void session.check();
  }

  /** What the processes take is what the pool goes by, and their health. */
  async #weigh(): Promise<void> {
    if (this.#isWeighing) return;
    this.#isWeighing = true;
    const { weigh, pool, spares, log } = this.#options;
    const tenants = () => [
      ...[...this.#sessions.values()].map((session) => ({
        tenant: session,
        pid: session.process?.pid ?? null,
        isStarting: session.state === "starting",
      })),
      ...spares.all.map((spare) => ({ tenant: spare, pid: spare.pid, isStarting: !spare.isReady })),
    ];
    try {
      const bytes = await weigh(tenants().flatMap(({ pid }) => pid ?? []));
      // Who has another process by now was not weighed.
      const weights = tenants().flatMap(({ tenant, pid, isStarting }): Array<[Tenant, number]> => {
        const weight = pid === null ? undefined : bytes.get(pid);
        if (weight === undefined) return [];
        // It will take more than it does yet.
        return [[tenant, isStarting ? Math.max(weight, newcomerBytes) : weight]];
      });
      pool.weighed(new Map(weights));
      const isOver = pool.bytes > pool.room.memoryBytes;
      if (isOver && !this.#isOverMemory)
        log.warn(
          { bytes: pool.bytes, ...pool.room },
          "the processes take more memory than they may together",
        );
      this.#isOverMemory = isOver;
    } catch (error) {
      log.warn({ error: String(error) }, "the processes could not be weighed");
    } finally {
      this.#isWeighing = false;
    }
  }

  /** A line that grows without end serves nobody: who finds it so long is to come again. */
  get #isCrowded(): boolean {
    const { pool, maxWaiting } = this.#options;
    // The ordinary case first: not all of them can be waiting.
    if (this.#sessions.size + this.#arriving < maxWaiting) return false;
    return this.#waiting + this.#arriving - pool.free >= maxWaiting;
  }

  /** Chats with messages for which a process has yet to be started, or a place to be found. */
  get #waiting(): number {
    const { pool } = this.#options;
    return [...this.#sessions.values()].filter((session) => session.awaitsProcess && !pool.has(session))
      .length;
  }

  #session(chatId: string): Session {
    const there = this.#sessions.get(chatId);
    if (there !== undefined) return there;
    const session = new Session(chatId, this.#around, this.#crashes.get(chatId));
    this.#sessions.set(chatId, session);
    return session;
  }

  #deliver(message: Message, claim: Claim | null): void {
    const replacement = this.#replacing.get(message.chatId);
    if (replacement !== undefined) replacement.accepted.push(message);
    // While draining it stays in the ledger, for the next start.
    else if (!this.#draining) this.#session(message.chatId).deliver(message, claim);
  }

  #adopt(chatId: string, open: ReadonlyArray<{ message: Message; tries: readonly Try[] }>): void {
    if (open.length > 0 && !this.#draining) this.#session(chatId).adopt(open);
  }

  #forget(session: Session): void {
    if (this.#sessions.get(session.chatId) !== session) return;
    this.#sessions.delete(session.chatId);
    this.#crashes.delete(session.chatId);
    this.#options.budgets.forget(session.chatId);
  }

  /**
   * What crashed is started anew from the ledger, when its process is gone, and slower each time. Until its process is
   * gone the chat has no session, so that there are never two.
   */
  #replace(session: Session, error: unknown): void {
    const { chatId } = session;
    if (this.#forgetting.has(session)) void session.abandon();
    if (this.#sessions.get(chatId) !== session) return;
    const crashes = (this.#crashes.get(chatId) ?? 0) + 1;
    const what = error instanceof Error ? error.stack : String(error);
    this.#options.log.error({ chatId, crashes, error: what }, "a session crashed");
    this.#crashes.set(chatId, crashes);
    this.#sessions.delete(chatId);
    const accepted: Message[] = [];
    const settled = session
      .abandon()
      .then(() => this.#openMessages(chatId))
      .then((open) => {
        const known = new Set(open.map(({ message }) => message.id));
        const later = accepted.filter(({ id }) => !known.has(id)).map((message) => ({ message, tries: [] }));
        this.#replacing.delete(chatId);
        this.#adopt(chatId, [...open, ...later]);
      });
    this.#replacing.set(chatId, { settled, accepted });
  }

  /** For as long as it takes: without them the chat would fall silent. Empty while draining. */
  async #openMessages(chatId: string): Promise<Array<{ message: Message; tries: Try[] }>> {
    const { ledger, clock, log } = this.#options;
    for (let failures = 1; !this.#draining; failures += 1) {
      try {
        return await ledger.openMessages(chatId);
      } catch (error) {
        log.error({ chatId, error: String(error) }, "a session cannot be started anew yet");
        await sleep(clock, restartDelayMs(failures), this.#around.hurry);
      }
    }
    return [];
  }
}
