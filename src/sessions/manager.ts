/**
 * Supervises the sessions: keeps the map from chat to live session, and nothing else about a chat. A dormant chat
 * costs nothing here. There is no lock over several chats: what one session waits for never holds up another.
 */

import { sleep } from "../clock.ts";
import type { Acceptance, Claim, Contact, Inbound, Message } from "../ledger/index.ts";
import type { Waiting } from "../views.ts";
import { restartDelayMs } from "./health.ts";
import { Session, type Surroundings } from "./session.ts";

/** Chats that are looked up at once when the daemon starts. */
const pageSize = 500;

export type ManagerOptions = Omit<Surroundings, "onDormant" | "onCrash"> & {
  healthCheckMs: number;
  /** Tiers whose messages are accepted. */
  admitted: readonly string[];
};

export class Manager {
  readonly #options: ManagerOptions;
  readonly #sessions = new Map<string, Session>();
  /** Run loops that failed in a row, by chat; forgotten when the session comes to rest. */
  readonly #crashes = new Map<string, number>();
  /** Chats whose session is being started anew, with what was accepted for them meanwhile. */
  readonly #replacing = new Map<string, { settled: Promise<void>; accepted: Message[] }>();
  readonly #stopChecks: () => void;
  #draining = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#stopChecks = options.clock.every(options.healthCheckMs, () => this.check());
  }

  /** Goes on with what is open in the ledger: for the start, before anything is accepted. */
  async recover(): Promise<void> {
    let after = "";
    for (;;) {
      const chats = await this.#options.ledger.chatsWithOpenMessages(after, pageSize);
      for (const chatId of chats) await this.#adopt(chatId);
      const last = chats.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  /** Stores a message and hands it to its session. Resolves when it is on disk. */
  async accept(inbound: Inbound): Promise<Acceptance> {
    const { ledger, admitted } = this.#options;
    const session = this.#sessions.get(inbound.chatId);
    const claim = session?.claim(inbound) ?? null;
    try {
      const acceptance = await ledger.accept(inbound, admitted, claim ?? undefined);
      if (acceptance.kind !== "accepted") return acceptance;
      this.contactChanged(inbound.chatId, acceptance.contact);
      this.#deliver(acceptance.message, acceptance.claimed ? claim : null);
      return acceptance;
    } finally {
      if (claim !== null) session?.unclaim();
    }
  }

  /** A contact was changed from outside. */
  contactChanged(chatId: string, contact: Contact): void {
    this.#sessions.get(chatId)?.contactChanged(contact);
  }

  /** The live session, or one made for an action on a dormant chat. */
  async session(chatId: string): Promise<Session> {
    await this.#replacing.get(chatId)?.settled;
    return this.#session(chatId);
  }

  #session(chatId: string): Session {
    const there = this.#sessions.get(chatId);
    if (there !== undefined) return there;
    const session = new Session(chatId, {
      ...this.#options,
      onDormant: (which) => this.#forget(which),
      onCrash: (which, error) => this.#replace(which, error),
    });
    this.#sessions.set(chatId, session);
    return session;
  }

  /** Null when the chat is dormant. */
  live(chatId: string): Session | null {
    return this.#sessions.get(chatId) ?? null;
  }

  /** Chats with a live session, in order of chat id. */
  liveChats(): string[] {
    return [...this.#sessions.keys()].sort();
  }

  /** What an open message waits for. */
  waitingOf(message: Message): Waiting | null {
    if (message.status !== "queued" && message.status !== "sent") return null;
    return this.#sessions.get(message.chatId)?.waitingOf(message.id) ?? { for: "start" };
  }

  /** Looks at every process. */
  check(): void {
    for (const session of this.#sessions.values()) void session.check();
  }

  /** Lets turns end and closes every process. Resolves when none is left. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#stopChecks();
    await Promise.allSettled([...this.#replacing.values()].map(({ settled }) => settled));
    await Promise.allSettled([...this.#sessions.values()].map((session) => session.drain()));
  }

  #deliver(message: Message, claim: Claim | null): void {
    const replacing = this.#replacing.get(message.chatId);
    if (replacing !== undefined) replacing.accepted.push(message);
    else if (!this.#draining) this.#session(message.chatId).deliver(message, claim);
  }

  async #adopt(chatId: string): Promise<void> {
    const open = await this.#options.ledger.openMessages(chatId);
    if (open.length > 0) this.#session(chatId).adopt(open);
  }

  #forget(session: Session): void {
    if (this.#sessions.get(session.chatId) !== session) return;
    this.#sessions.delete(session.chatId);
    this.#crashes.delete(session.chatId);
  }

  /**
   * What crashed is started anew from the ledger: when its process is gone, and slower each time. Until then the chat
   * has no session, so that there are never two.
   */
  #replace(session: Session, error: unknown): void {
    const { chatId } = session;
    const { log, clock } = this.#options;
    if (this.#sessions.get(chatId) !== session) return;
    const crashes = (this.#crashes.get(chatId) ?? 0) + 1;
    const what = error instanceof Error ? error.stack : String(error);
    log.error({ chatId, crashes, error: what }, "a session crashed");
    this.#sessions.delete(chatId);
    this.#crashes.set(chatId, crashes);
    const accepted: Message[] = [];
    const settled = (async () => {
      await session.abandon();
      await sleep(clock, restartDelayMs(crashes), this.#options.hurry);
      const open = this.#draining ? [] : await this.#options.ledger.openMessages(chatId);
      const known = new Set(open.map(({ message }) => message.id));
      const later = accepted.filter(({ id }) => !known.has(id)).map((message) => ({ message, tries: [] }));
      this.#replacing.delete(chatId);
      if (open.length + later.length > 0) this.#session(chatId).adopt([...open, ...later]);
    })().catch((reason) => {
      this.#replacing.delete(chatId);
      log.error({ chatId, error: String(reason) }, "a session could not be started anew");
    });
    this.#replacing.set(chatId, { settled, accepted });
  }
}
