/**
 * A Switchboard of maps and arrays, for what is HTTP's alone: streams, waits, errors that cannot be had on demand.
 * The test says what happens: nothing is answered until it calls `answer`.
 */

import { randomUUID } from "node:crypto";
import { readAttachments } from "../../src/contacts/attachments.ts";
import { chatIdSchema, inboundSchema, parseInput } from "../../src/contacts/inbound.ts";
import { SwitchboardError } from "../../src/errors.ts";
import type { EventsOptions } from "../../src/feed.ts";
import type { HistoryPage } from "../../src/ledger/index.ts";
import type { Switchboard } from "../../src/switchboard.ts";
import type {
  ActionView,
  ApprovalView,
  ChatView,
  DeliveryView,
  EventView,
  HostView,
  MessageView,
  OverviewView,
  PendingView,
  RaisedView,
  RunView,
  SpendingView,
} from "../../src/views.ts";

type Durable = Exclude<EventView, { type: "text" }>;
type TextPiece = Extract<EventView, { type: "text" }>;
type WithoutFrame<T> = T extends unknown ? Omit<T, "seq" | "at"> : never;

export class MemorySwitchboard implements Switchboard {
  readonly host: HostView = {
    version: "0.0.0",
    pid: process.pid,
    since: now(),
    state: "running",
    upstream: { kind: "offline" },
    trouble: null,
    channels: [],
    tiers: ["family"],
    processes: { live: 0, max: 1, waiting: 0, memoryBytes: 0, memoryBytesMax: 1, spares: 0 },
    config: { since: now(), refused: null, restart: [] },
  };
  /** Thrown by the next call of `receive`. */
  failNext: Error | null = null;
  /** Iterations of `events` that have begun and not ended. */
  following = 0;
  /** Events that those iterations have handed out. */
  handedOut = 0;
  readonly #messages = new Map<string, MessageView>();
  readonly #log: Durable[] = [];
  readonly #listeners = new Set<(event: EventView) => void>();

  /** Ends a message with this answer. */
  answer(id: string, text: string): void {
    const message = this.#find(id);
    message.reply = {
      id: randomUUID(),
      kind: "answer",
      text,
      answers: [id],
      status: "sent",
      attempts: 0,
      error: null,
    };
    this.append({ type: "reply", chatId: message.chatId, reply: message.reply });
    this.#end(message, "answered");
  }

  append(event: WithoutFrame<Durable>): void {
    const durable = { ...event, seq: this.#log.length + 1, at: now() } as Durable;
    this.#log.push(durable);
    this.#tell(durable);
  }

  piece(text: TextPiece): void {
    this.#tell(text);
  }

  async reload() {
    return { changed: [], restart: [] };
  }

  async receive(chatId: string, inbound: unknown) {
    if (this.failNext !== null) {
      const error = this.failNext;
      this.failNext = null;
      throw error;
    }
    if (this.host.state !== "running") throw new SwitchboardError("draining", "shutting down");
    parseInput(chatIdSchema, chatId, "chatId");
    const { text, id: externalId = null, attachments = [] } = parseInput(inboundSchema, inbound);
    for (const message of this.#messages.values()) {
      if (externalId === null || message.externalId !== externalId || message.chatId !== chatId) continue;
      if (message.text !== text) throw new SwitchboardError("conflict", "the id is taken by another text");
      return { message, duplicate: true };
    }
    const message: MessageView = {
      id: randomUUID(),
      externalId,
      chatId,
      seq: this.#messages.size + 1,
      text,
      attachments: readAttachments(attachments).map(({ name, type, bytes }) => ({ name, type, bytes })),
      status: "queued",
      ran: null,
      waiting: { for: "start" },
      tries: 0,
      error: null,
      reply: null,
      acceptedAt: now(),
      sentAt: null,
      endedAt: null,
    };
    this.#messages.set(message.id, message);
    this.#tellOf(message);
    return { message, duplicate: false };
  }

  async message(id: string) {
    return this.#find(id);
  }

  async settled(id: string, { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal }) {
    const message = this.#find(id);
    await new Promise<void>((resolve) => {
      const look = () => {
        if (message.endedAt === null && signal?.aborted !== true && timer.hasRef()) return;
        this.#listeners.delete(look);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        timer.unref();
        look();
      }, timeoutMs);
      this.#listeners.add(look);
      signal?.addEventListener("abort", look);
      look();
    });
    return message;
  }

  async history(chatId: string, page: Partial<HistoryPage> = {}) {
    const { after = 0, before = Number.POSITIVE_INFINITY, order = "oldest", limit = 100 } = page;
    await this.chat(chatId);
    const rows = [...this.#messages.values()].filter(
      ({ chatId: id, seq }) => id === chatId && seq > after && seq < before,
    );
    return (order === "oldest" ? rows : rows.reverse())
      .slice(0, limit)
      .map((message) => ({ type: "message" as const, ...message }));
  }

  async chat(chatId: string): Promise<ChatView> {
    const first = [...this.#messages.values()].find((message) => message.chatId === chatId);
    if (first === undefined) throw new SwitchboardError("not_found", "no such chat");
    return {
      chatId,
      contact: { name: null, tier: "family", group: false, queueMode: null },
      sessionName: "chat",
      sessionId: null,
      state: "dormant",
      held: null,
      process: null,
      queued: 0,
      lastMessageAt: first.acceptedAt,
      createdAt: first.acceptedAt,
      usage: { turns: 0, inputTokens: 0, outputTokens: 0, costUsd: 0 },
    };
  }

  async chats() {
    const ids = new Set([...this.#messages.values()].map((message) => message.chatId));
    return { chats: await Promise.all([...ids].map((id) => this.chat(id))), next: null };
  }

  async *exportRegistry() {
    yield "{}\n";
  }

  importRegistry(): Promise<never> {
    return Promise.reject(new SwitchboardError("invalid_registry", "not here"));
  }

  putContact(chatId: string) {
    return this.chat(chatId);
  }

  /** Ends what is open, and counts. */
  stops = 0;
  async stop(chatId: string): Promise<ActionView> {
    this.stops++;
    const open = [...this.#messages.values()].filter(
      (each) => each.chatId === chatId && each.endedAt === null,
    );
    for (const message of open) this.#end(message, "stopped");
    return { ...(await this.#did(chatId, "stopped")), stopped: open.map(({ id }) => ({ id, ran: false })) };
  }

  async failedReplies() {
    return { deliveries: [], next: null };
  }

  retryReply(): Promise<DeliveryView> {
    return Promise.reject(new SwitchboardError("not_found", "no such reply"));
  }

  async pendingApprovals(): Promise<ApprovalView[]> {
    return [];
  }

  approve(): Promise<ApprovalView> {
    return Promise.reject(new SwitchboardError("not_found", "no such question"));
  }

  deny = () => this.approve();

  async pendingChats(): Promise<PendingView[]> {
    return [];
  }

  admit = (chatId: string, contact: { tier: string; name?: string }) =>
    this.chat(chatId).then((chat) => ({ ...chat, contact: { ...chat.contact, ...contact } }));

  dismiss(): Promise<PendingView> {
    return Promise.reject(new SwitchboardError("not_found", "no such pending chat"));
  }

  async processes(): Promise<RunView[]> {
    return [];
  }

  overview(): Promise<OverviewView> {
    return Promise.reject(new SwitchboardError("storage_failed", "nothing is counted here"));
  }

  async metrics(): Promise<string> {
    return "";
  }

  async usage(): Promise<SpendingView[]> {
    return [];
  }

  async allowMore(usd: number): Promise<RaisedView> {
    return { day: "2026-01-31", chatId: null, tier: null, usd };
  }

  closeChat = (chatId: string) => this.#did(chatId, "closed");
  restart = (chatId: string) => this.#did(chatId, "restarted");
  reset = (chatId: string) => this.#did(chatId, "reset");
  forget = (chatId: string) => this.#did(chatId, "forgotten");
  wake = (chatId: string) => this.#did(chatId, "woken");
  undoReset = (chatId: string) => this.#did(chatId, "undone");

  async *events({
    follow = true,
    after = follow ? this.#log.length : 0,
    chatId,
    text = true,
    signal,
  }: EventsOptions = {}): AsyncGenerator<EventView> {
    let position = after;
    const pieces: TextPiece[] = [];
    let wake = () => {};
    const tell = (event: EventView) => {
      if (event.type === "text" && text && pieces.length < 10) pieces.push(event);
      wake();
    };
    const abort = () => wake();
    this.#listeners.add(tell);
    signal?.addEventListener("abort", abort);
    this.following++;
    try {
      while (signal?.aborted !== true && this.host.state !== "closed") {
        const event = this.#log[position] ?? pieces.shift();
        if (event === undefined && !follow) return;
        if (event === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        if (event.type !== "text") position++;
        if (chatId !== undefined && event.chatId !== chatId) continue;
        this.handedOut++;
        yield event;
      }
    } finally {
      this.#listeners.delete(tell);
      signal?.removeEventListener("abort", abort);
      this.following--;
    }
  }

  async close(): Promise<void> {
    this.host.state = "closed";
    for (const listener of this.#listeners)
      listener({ type: "text", chatId: "", turnId: "", offset: 0, text: "" });
  }

  #end(message: MessageView, status: MessageView["status"]): void {
    message.status = status;
    message.waiting = null;
    message.endedAt = now();
    this.#tellOf(message);
  }

  #tellOf({
    chatId,
    id,
    externalId,
    seq,
    text,
    attachments,
    status,
    ran,
    tries,
    error,
    reply,
  }: MessageView): void {
    const replyId = reply?.id ?? null;
    this.append({
      type: "message",
      chatId,
      message: { id, externalId, seq, text, attachments, status, ran, tries, error, replyId },
    });
  }

  #find(id: string): MessageView {
    const message = this.#messages.get(id);
    if (message === undefined) throw new SwitchboardError("not_found", "no such message");
    return message;
  }

  async #did(chatId: string, did: ActionView["did"]): Promise<ActionView> {
    await this.chat(chatId);
    return { chatId, did, stopped: [], requeued: [] };
  }

  #tell(event: EventView): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function now(): string {
  return new Date().toISOString();
}
