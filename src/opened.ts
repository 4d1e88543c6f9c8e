/** A Switchboard that is open: each call of its face, done by the parts that it was composed of. */

import type { Channel, ChannelHost, Outboxes } from "./channels/index.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import {
  admitSchema,
  chatIdSchema,
  commonRaiseSchema,
  contactPatchSchema,
  decisionSchema,
  type InboundInput,
  parseInput,
} from "./contacts/inbound.ts";
import { sessionNameBase } from "./contacts/names.ts";
import { formatRegistry } from "./contacts/registry.ts";
import { admitted, type Tiers } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { draining, refused, storage } from "./failures.ts";
import type { EventsOptions, Feed } from "./feed.ts";
import type { Gateway } from "./gateway/index.ts";
import {
  type Chat,
  type ContactPatch,
  hasEnded,
  type Ledger,
  type Message,
  type Work,
} from "./ledger/index.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { memoryOfTrees } from "./os/index.ts";
import type { Overview } from "./overview.ts";
import { Reception } from "./reception.ts";
import { Reload } from "./reload.ts";
import {
  type Approvals,
  type Budgets,
  clearForgotten,
  type Folders,
  type ImportOptions,
  type ImportPlaces,
  importRegistry,
  type Manager,
  type Pool,
  type RateLimit,
  registryOf,
  type Session,
  type Spares,
} from "./sessions/index.ts";
import type { HistoryOptions, Switchboard } from "./switchboard.ts";
import { timelineOf } from "./timeline.ts";
import { version } from "./version.ts";
import {
  type ActionView,
  type ApprovalView,
  approvalView,
  type ChatState,
  type ChatView,
  chatView,
  type DeliveryView,
  deliveryView,
  type EventView,
  type HistoryEntry,
  type HostView,
  type ImportView,
  iso,
  type MessageView,
  messageView,
  type OverviewView,
  type PendingView,
  pendingView,
  type RaisedView,
  type Receipt,
  type ReloadView,
  type RunView,
  replyEntry,
  runView,
  type SpendingView,
  spendingView,
  troubleView,
  type UpstreamView,
} from "./views.ts";

export interface OpenParts {
  upstream: UpstreamView;
  /** In ms since the Unix epoch. */
  since: number;
  clock: Clock;
  ledger: Ledger;
  manager: Manager;
  approvals: Approvals;
  budgets: Budgets;
  gateway: Gateway;
  pool: Pool;
  spares: Spares;
  folders: Folders;
  importPlaces: ImportPlaces;
  feed: Feed;
  metrics: Metrics;
  overview: Overview;
  hurry: AbortController;
  log: Logger;
  /** That it was opened with. */
  config: Config;
  /** Those that the embedder brought. */
  ownChannels: readonly Channel[];
  tiers: Tiers;
  rateLimit: RateLimit;
  outboxes: Outboxes;
  closeAll: () => Promise<void>;
}

export class OpenSwitchboard implements Switchboard {
  readonly #parts: OpenParts;
  #state: HostView["state"] = "running";
  #closed: Promise<void> | null = null;
  readonly #reload: Reload;
  readonly #reception: Reception;

  constructor(parts: OpenParts) {
    this.#parts = parts;
    this.#reload = new Reload(parts);
    this.#reception = new Reception({
      ...parts,
      limits: () => {
        const { text_bytes: textBytes, attachment_bytes: attachmentBytes } = this.#reload.config.limits;
        return { textBytes, attachmentBytes };
      },
      isRunning: () => this.#state === "running",
    });
  }

  get host(): HostView {
    const { since, upstream, pool, spares, gateway, outboxes } = this.#parts;
    return {
      version,
      pid: process.pid,
      since: iso(since),
      state: this.#state,
      upstream,
      trouble: troubleView(gateway.trouble),
      channels: outboxes.names,
      tiers: [...admitted],
      processes: {
        live: pool.live,
        max: pool.room.maxProcesses,
        waiting: pool.waiting,
        memoryBytes: pool.bytes,
        memoryBytesMax: pool.room.memoryBytes,
        spares: spares.ready,
      },
      config: this.#reload.state,
    };
  }

  async receive(chatId: string, input: InboundInput): Promise<Receipt> {
    return await this.#reception.receive(chatId, input);
  }

  hostOf(channel: Channel): ChannelHost {
    return {
      receive: (chatId, inbound) => this.#reception.receiveBy(channel, chatId, inbound),
      typing: (chatId) => void this.wake(chatId).catch(() => {}),
    };
  }

  async message(id: string, { timeline = false }: { timeline?: boolean } = {}): Promise<MessageView> {
    const message = await this.#message(id);
    if (!timeline) return this.#messageView(message);
    const [work] = await storage(this.#parts.ledger.works([id]));
    return this.#messageView(message, work);
  }

  async settled(id: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<MessageView> {
    // Listening begins before the look at how it stands, so its end cannot fall in between.
    const ended = this.#parts.feed.ended(id, options);
    try {
      const message = await this.#message(id);
      if (hasEnded(message.status)) return this.#messageView(message);
      await ended.promise;
    } finally {
      ended.cancel();
    }
    return await this.message(id);
  }

  async history(
    chatId: string,
    { limit = 100, timeline = false, ...page }: HistoryOptions = {},
  ): Promise<HistoryEntry[]> {
    checkLimit(limit);
    await this.#chat(chatId);
    const { ledger } = this.#parts;
    const rows = await storage(ledger.history(chatId, { ...page, limit }));
    const ids = timeline ? rows.flatMap((row) => ("kind" in row ? [] : row.id)) : [];
    const works = ids.length === 0 ? [] : await storage(ledger.works(ids));
    const workOf = new Map(works.map((work) => [work.messageId, work]));
    return rows.map((row) =>
      "kind" in row ? replyEntry(row) : { type: "message", ...this.#messageView(row, workOf.get(row.id)) },
    );
  }

  async chat(chatId: string): Promise<ChatView> {
    return await this.#chatView(await this.#chat(chatId));
  }

  async chats({
    after,
    limit = 100,
    state,
  }: {
    after?: string;
    limit?: number;
    state?: ChatState;
  } = {}): Promise<{
    chats: ChatView[];
    next: string | null;
  }> {
    checkLimit(limit);
    if (state !== undefined && state !== "dormant") return await this.#liveChats(state, after, limit);
    const page = await storage(
      this.#parts.ledger.chats({ limit, ...(after === undefined ? {} : { after }) }),
    );
    const chats = await Promise.all(page.chats.map((chat) => this.#chatView(chat)));
    return { chats: chats.filter((chat) => state === undefined || chat.state === state), next: page.next };
  }

  async processes(chatId: string, { limit = 20 }: { limit?: number } = {}): Promise<RunView[]> {
    checkLimit(limit);
    await this.#chat(chatId);
    return (await storage(this.#parts.ledger.processes(chatId, limit))).map(runView);
  }

  async putContact(chatId: string, contact: ContactPatch): Promise<ChatView> {
    parseInput(chatIdSchema, chatId, "chatId");
    const patch = parseInput(contactPatchSchema, contact, "contact");
    const base = sessionNameBase(patch.name ?? null, chatId);
    const chat = await storage(this.#parts.ledger.putContact(chatId, patch, base));
    this.#parts.manager.contactChanged(chatId, chat.contact);
    return await this.#chatView(chat);
  }

  exportRegistry(): AsyncIterable<string> {
    return formatRegistry(registryOf(this.#parts.ledger));
  }

  async importRegistry(text: string, options: ImportOptions = {}): Promise<ImportView> {
    if (this.#state !== "running") throw draining();
    const { importPlaces, manager } = this.#parts;
    const { view, contacts } = await storage(importRegistry(text, options, importPlaces));
    for (const [chatId, contact] of contacts) manager.contactChanged(chatId, contact);
    return view;
  }

  async failedReplies({ after = "", limit = 100 }: { after?: string; limit?: number } = {}): Promise<{
    deliveries: DeliveryView[];
    next: string | null;
  }> {
    checkLimit(limit);
    const replies = await storage(this.#parts.ledger.failedReplies(after, limit));
    const next = replies.length < limit ? null : (replies.at(-1)?.id ?? null);
    return { deliveries: replies.map(deliveryView), next };
  }

  async retryReply(id: string): Promise<DeliveryView> {
    const reply = await storage(this.#parts.ledger.retryReply(id));
    if (reply !== null) return deliveryView(reply);
    throw new SwitchboardError("not_found", `no failed or uncertain reply has the id ${id}`);
  }

  async pendingApprovals({ limit = 100 }: { limit?: number } = {}): Promise<ApprovalView[]> {
    checkLimit(limit);
    return (await storage(this.#parts.ledger.pendingApprovals(limit))).map(approvalView);
  }

  async approve(id: string, options: { by?: string } = {}): Promise<ApprovalView> {
    return await this.#decide(id, "approved", options);
  }

  async deny(id: string, options: { by?: string } = {}): Promise<ApprovalView> {
    return await this.#decide(id, "denied", options);
  }

  async #decide(
    id: string,
    decision: "approved" | "denied",
    options: { by?: string },
  ): Promise<ApprovalView> {
    const { by = "operator" } = parseInput(decisionSchema, options, "options");
    const approval = await storage(this.#parts.approvals.decide(id, decision, by));
    if (approval !== null) return approvalView(approval);
    throw new SwitchboardError("not_found", `no question with the id ${id} waits for an answer`, {
      hint: "It may have been answered, or its time may be over: look at the pending ones.",
    });
  }

  async pendingChats({ limit = 100 }: { limit?: number } = {}): Promise<PendingView[]> {
    checkLimit(limit);
    return (await storage(this.#parts.ledger.pendingChats(limit))).map(pendingView);
  }

  async admit(chatId: string, contact: { tier: string; name?: string }): Promise<ChatView> {
    parseInput(chatIdSchema, chatId, "chatId");
    const { tier, name } = parseInput(admitSchema, contact);
    const pending = await storage(this.#parts.ledger.pendingChat(chatId));
    const called = name ?? pending?.name ?? undefined;
    return await this.putContact(chatId, { tier, ...(called !== undefined && { name: called }) });
  }

  async dismiss(chatId: string): Promise<PendingView> {
    parseInput(chatIdSchema, chatId, "chatId");
    const { ledger } = this.#parts;
    const pending = await storage(ledger.pendingChat(chatId));
    if (pending !== null && (await storage(ledger.dismissPending(chatId)))) return pendingView(pending);
    throw new SwitchboardError("not_found", `no pending chat has the id ${chatId}`);
  }

  metrics(): Promise<string> {
    return this.#parts.metrics.text();
  }

  async overview({ hours = 6 }: { hours?: number } = {}): Promise<OverviewView> {
    checkWhole("hours", hours, 168);
    return await storage(this.#parts.overview.view(hours));
  }

  async usage({ days = 1, chatId }: { days?: number; chatId?: string } = {}): Promise<SpendingView[]> {
    const { ledger, clock } = this.#parts;
    checkWhole("days", days, 400);
    const since = iso(clock.now() - (days - 1) * 24 * 3_600_000).slice(0, 10);
    if (chatId !== undefined) await this.#chat(chatId);
    const rows = storage(chatId === undefined ? ledger.spending(since) : ledger.chatSpending(chatId, since));
    return (await rows).map(spendingView);
  }

  async allowMore(usd: number, scope?: { chatId: string } | { tier: string }): Promise<RaisedView> {
    const tier = scope !== undefined && "tier" in scope ? scope.tier : null;
    const chatId = scope !== undefined && "chatId" in scope ? scope.chatId : null;
    parseInput(commonRaiseSchema, { usd, ...(tier !== null && { tier }) });
    if (chatId !== null) await this.#chat(chatId);
    const day = await storage(this.#parts.budgets.allowMore(scope ?? { all: true }, usd));
    return { day, chatId, tier, usd };
  }

  async stop(chatId: string): Promise<ActionView> {
    await this.#chat(chatId);
    const stopped = await storage(this.#parts.manager.actIfLive(chatId, (session) => session.stop()));
    if (stopped === null || stopped.length === 0) return didNothing(chatId);
    return { chatId, did: "stopped", stopped, requeued: [] };
  }

  async closeChat(chatId: string): Promise<ActionView> {
    await this.#chat(chatId);
    const reason = "closed on request";
    const closed = await storage(this.#parts.manager.actIfLive(chatId, (session) => session.close(reason)));
    return closed === null ? didNothing(chatId) : { chatId, did: "closed", stopped: [], ...closed };
  }

  async restart(chatId: string): Promise<ActionView> {
    const { contact } = await this.#chat(chatId);
    if (!admitted.includes(contact.tier)) throw refused(contact.tier);
    const { requeued } = await this.#act(chatId, (session) => session.restart("restarted on request"));
    return { chatId, did: "restarted", stopped: [], requeued };
  }

  async forget(chatId: string): Promise<ActionView> {
    const { manager, ledger, folders } = this.#parts;
    await this.#chat(chatId);
    await storage(manager.forget(chatId));
    await storage(clearForgotten(ledger, folders));
    return { chatId, did: "forgotten", stopped: [], requeued: [] };
  }

  async reset(chatId: string): Promise<ActionView> {
    await this.#chat(chatId);
    const { stopped, record } = await this.#act(chatId, (session) => session.reset());
    return { chatId, did: "reset", stopped, requeued: [], sessionId: record.sdkSessionId };
  }

  async wake(chatId: string): Promise<ActionView> {
    const { contact } = await this.#chat(chatId);
    if (!admitted.includes(contact.tier)) return didNothing(chatId);
    const woken = await this.#act(chatId, async (session) => session.wake());
    return woken !== null ? { chatId, did: "woken", stopped: [], requeued: [] } : didNothing(chatId);
  }

  async undoReset(chatId: string): Promise<ActionView> {
    await this.#chat(chatId);
    const undone = await this.#act(chatId, (session) => session.undoReset());
    if (undone === "busy") {
      throw new SwitchboardError("busy", "the chat has open messages", {
        hint: "Stop it, or wait for its answers.",
      });
    }
    if (undone === null) throw new SwitchboardError("not_found", "there is no reset to undo");
    return { chatId, did: "undone", stopped: [], requeued: [], sessionId: undone.record.sdkSessionId };
  }

  async reload(load: () => Config): Promise<ReloadView> {
    if (this.#state !== "running") throw draining();
    return await storage(this.#reload.reload(load));
  }

  events(options: EventsOptions = {}): AsyncIterable<EventView> {
    return this.#parts.feed.follow(options);
  }

  close({ hurry }: { hurry?: AbortSignal } = {}): Promise<void> {
    const abort = () => this.#parts.hurry.abort();
    if (hurry?.aborted) abort();
    hurry?.addEventListener("abort", abort, { once: true });
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#state = "draining";
    await this.#reload.settled;
    await this.#parts.closeAll();
    this.#state = "closed";
  }

  async #act<T>(chatId: string, action: (session: Session) => Promise<T>): Promise<T> {
    if (this.#state !== "running") throw draining();
    return await storage(this.#parts.manager.act(chatId, action));
  }

  async #message(id: string): Promise<Message> {
    const message = await storage(this.#parts.ledger.message(id));
    if (message === null) throw new SwitchboardError("not_found", `no message has the id ${id}`);
    return message;
  }

  async #chat(chatId: string): Promise<Chat> {
    parseInput(chatIdSchema, chatId, "chatId");
    const chat = await storage(this.#parts.ledger.chat(chatId));
    if (chat !== null) return chat;
    const hint = "Name it first, or send its first message with a contact.";
    throw new SwitchboardError("not_found", `nobody has named the chat ${JSON.stringify(chatId)} yet`, {
      hint,
    });
  }

  /** Only chats with a process have such a state, so these are looked up one by one. */
  async #liveChats(
    state: ChatState,
    after = "",
    limit: number,
  ): Promise<{ chats: ChatView[]; next: string | null }> {
    const { manager } = this.#parts;
    const ids = manager
      .liveChats()
      .filter((chatId) => chatId > after && manager.live(chatId)?.state === state);
    const chats = await Promise.all(ids.slice(0, limit).map((chatId) => this.chat(chatId)));
    return { chats, next: ids.length > limit ? (ids[limit - 1] ?? null) : null };
  }

  async #chatView(chat: Chat): Promise<ChatView> {
    const session = this.#parts.manager.live(chat.chatId);
    const running = session?.process ?? null;
    if (session === null) return chatView(chat, { state: "dormant", held: null, process: null });
    if (running === null) return chatView(chat, { state: session.state, held: session.held, process: null });
    const memoryBytes = this.#parts.pool.bytesOf(session) ?? (await memoryOf(running.pid));
    const { pid, generation, since } = running;
    return chatView(chat, {
      state: session.state,
      held: session.held,
      process: { pid, generation, memoryBytes, since: iso(since) },
    });
  }

  #messageView(message: Message, work?: Work): MessageView {
    const view = messageView(message, this.#parts.manager.waitingOf(message));
    return work === undefined ? view : { ...view, timeline: timelineOf(message, work) };
  }
}

/** For a process that has not been weighed yet. */
async function memoryOf(pid: number): Promise<number | null> {
  const bytes = await memoryOfTrees([pid]).catch(() => null);
  return bytes?.get(pid) ?? null;
}

function didNothing(chatId: string): ActionView {
  return { chatId, did: "nothing", stopped: [], requeued: [] };
}

function checkLimit(limit: number): void {
  checkWhole("limit", limit, 1000);
}

function checkWhole(field: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new SwitchboardError("invalid_request", `${field}: must be a whole number from 1 to ${most}`, {
    field,
  });
}
