/**
 * The library's face, and what the daemon is built on: composes ledger, gateway, Claude and sessions.
 * It installs no signal handlers and reads no environment; whoever embeds it decides about both.
 */

import { randomUUIDv7 } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Channel, type ChannelHost, isStopWord, Outboxes } from "./channels/index.ts";
import { checked } from "./checked.ts";
import { claudeCode } from "./claude/index.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type Config, defaultConfig } from "./config.ts";
import { type AttachmentFile, decodePictures, readAttachments } from "./contacts/attachments.ts";
import {
  admitSchema,
  chatIdSchema,
  commonRaiseSchema,
  contactPatchSchema,
  decisionSchema,
  type InboundInput,
  inboundSchema,
  parseInput,
} from "./contacts/inbound.ts";
import { sessionNameBase } from "./contacts/names.ts";
import { formatRegistry } from "./contacts/registry.ts";
import { admitted, type Tiers } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { logEvents } from "./event-log.ts";
import { type EventsOptions, Feed } from "./feed.ts";
import { type Gateway, startGateway } from "./gateway/index.ts";
import {
  type Acceptance,
  type Chat,
  type ContactPatch,
  type HistoryPage,
  hasEnded,
  type Inbound,
  type Ledger,
  LedgerError,
  type Message,
  type MessageCommand,
  openSqliteLedger,
  type Work,
} from "./ledger/index.ts";
import { type Logger, silent } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { startOffline } from "./offline/index.ts";
import { type HomeHolder, homeId, lockHome, memoryOfTrees, sweep, totalMemory } from "./os/index.ts";
import { Overview } from "./overview.ts";
import { Reload } from "./reload.ts";
import {
  Approvals,
  Budgets,
  clearForgotten,
  clearLeft,
  type Folders,
  type ImportOptions,
  type ImportPlaces,
  importRegistry,
  Manager,
  Pool,
  RateLimit,
  Retention,
  registryOf,
  type Session,
  Spares,
  settingsOf,
  sweepImports,
} from "./sessions/index.ts";
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

/**
 * Where the model is. `offline`: the built-in one that needs no network and no key. `environment`: a provider of Claude
 * Code's own (Bedrock, Vertex, a login), by variables that its processes are given; the gateway sees nothing of it.
 */
export type Upstream =
  | "offline"
  | { baseUrl?: string; apiKey?: string; authToken?: string }
  | { environment: Readonly<Record<string, string>> };

const anthropicApi = "https://api.anthropic.com";

export interface OpenOptions {
  /** The folder that holds everything; created with mode 0700 when missing. One Switchboard at a time. */
  home: string;
  /** Default `offline`. */
  upstream?: Upstream;
  /** Default: all defaults. `loadConfig` reads one from a file. */
  config?: Config;
  /** Default: silent. */
  log?: Logger;
  /** Beside those of the config. */
  channels?: readonly Channel[];
}

/** A page of history. */
export type HistoryOptions = Partial<HistoryPage> & { timeline?: boolean };

/**
 * Every method that takes a chat id or other input throws a `SwitchboardError` whose `code`, `field` and `hint`
 * say what is wrong. Shapes are those of the HTTP API.
 */
export interface Switchboard {
  readonly host: HostView;

  /**
   * Accepts a message for a chat; resolves when it is on disk. The answer comes later: see `settled` and `events`.
   * Errors: `invalid_chat_id`, `invalid_text`, `invalid_request`, `unknown_tier`, `invalid_attachment`, `too_large`,
   * `refused_contact`, `conflict`, `overloaded`, `rate_limited`, `draining`, `storage_full`, `storage_busy`, `storage_failed`.
   */
  receive(chatId: string, inbound: InboundInput): Promise<Receipt>;
  /** `timeline`: with what happened to it, default false. Error: `not_found`. */
  message(id: string, options?: { timeline?: boolean }): Promise<MessageView>;
  /** The message as soon as it has its end status, or as it stands after `timeoutMs` or at the abort. Error: `not_found`. */
  settled(id: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<MessageView>;
  /**
   * Messages and replies with `after < seq < before` (default: all), `oldest` (the default) or `newest` first.
   * `limit` 1 to 1000, default 100. `timeline`: with what happened to each message, default false. Error: `not_found`.
   */
  history(chatId: string, options?: HistoryOptions): Promise<HistoryEntry[]>;

  /** Error: `not_found`. */
  chat(chatId: string): Promise<ChatView>;
  /** Most recently active first. `limit` 1 to 1000, default 100. `next` is the cursor of the next page. */
  chats(options?: { after?: string; limit?: number; state?: ChatState }): Promise<{
    chats: ChatView[];
    next: string | null;
  }>;
  /** The chat's processes, the latest first, ended ones among them. `limit` 1 to 1000, default 20. Error: `not_found`. */
  processes(chatId: string, options?: { limit?: number }): Promise<RunView[]>;
  /** Names a chat or changes its contact: only the given fields. */
  putContact(chatId: string, contact: ContactPatch): Promise<ChatView>;

  /** Chats that nobody has named and whose messages were refused, the last to write first: of more than 1000 the oldest are forgotten. */
  pendingChats(options?: { limit?: number }): Promise<PendingView[]>;
  /** Names such a chat (or any other): its next message is accepted. `name`: default as its messages called it. Errors: `unknown_tier`, `invalid_request`. */
  admit(chatId: string, contact: { tier: string; name?: string }): Promise<ChatView>;
  /** Takes it off the list; it comes back with its next message. Error: `not_found`. */
  dismiss(chatId: string): Promise<PendingView>;

  /** The chats in their plain form, `sessions.json`, in pieces of text. */
  exportRegistry(): AsyncIterable<string>;
  /**
   * Takes chats over from such a text: all of it or, when something in it is not understood, nothing. A chat that is
   * known here keeps its session and its name, and takes the contact.
   * Errors: `invalid_registry`, `unknown_tier`, `invalid_request`, `draining`.
   */
  importRegistry(text: string, options?: ImportOptions): Promise<ImportView>;

  /** Replies that failed or are uncertain, oldest first. `limit` 1 to 1000, default 100. */
  failedReplies(options?: { after?: string; limit?: number }): Promise<{
    deliveries: DeliveryView[];
    next: string | null;
  }>;
  /** Has a reply sent again that failed or is uncertain. Error: `not_found` when it is neither. */
  retryReply(id: string): Promise<DeliveryView>;

  /** Tool calls that wait for a person's yes, the most urgent first. `limit` 1 to 1000, default 100. */
  pendingApprovals(options?: { limit?: number }): Promise<ApprovalView[]>;
  /** Lets that very call run, once. `by`: who says so, a short line, default `operator`. Error: `not_found` when it does not wait for an answer (any longer). */
  approve(id: string, options?: { by?: string }): Promise<ApprovalView>;
  /** As `approve`, with a no: Claude is told so. */
  deny(id: string, options?: { by?: string }): Promise<ApprovalView>;

  /** How it goes, now and over the last `hours` (1 to 168, default 6). */
  overview(options?: { hours?: number }): Promise<OverviewView>;
  /** What Prometheus may read, in its text format. */
  metrics(): Promise<string>;
  /** What the model has cost in the last `days` (1 to 400, default 1: today, in UTC), the latest first; of one chat, or of all together. Error: `not_found`. */
  usage(options?: { days?: number; chatId?: string }): Promise<SpendingView[]>;
  /**
   * Allows more than the budget for today: to a chat, to all chats under a tier, or to all. Chats that wait for it go on.
   * Errors: `not_found`, `unknown_tier`, `invalid_request`.
   */
  allowMore(usd: number, scope?: { chatId: string } | { tier: string }): Promise<RaisedView>;

  /** Goes past the queue: waiting messages end `stopped`, the running turn is interrupted, after 10 s killed. */
  stop(chatId: string): Promise<ActionView>;
  /** Closes the process when its turn has ended (30 s at most). The conversation stays. */
  closeChat(chatId: string): Promise<ActionView>;
  /** As `closeChat`, then a new process on the same session. */
  restart(chatId: string): Promise<ActionView>;
  /** Stop, and a new session. The old one is kept for `undoReset`. */
  reset(chatId: string): Promise<ActionView>;
  /**
   * Stops everything, and removes all that is known of the chat: messages, replies, conversation, files. Its messages that come
   * later are a new chat's. What is on its way out by a channel may still arrive. Error: `not_found`.
   */
  forget(chatId: string): Promise<ActionView>;
  /** Starts the chat's process ahead of a message that is likely to come, if it has none and nobody waits for a slot. */
  wake(chatId: string): Promise<ActionView>;
  /** Brings the session before the last reset back. Errors: `busy`, `not_found` when there is none. */
  undoReset(chatId: string): Promise<ActionView>;

  /**
   * Takes over a changed config, without an interruption: a process that another one would now be started for goes with
   * the end of its turn. `load` reads it; when it throws or the config is not valid nothing changes. What needs a new
   * start is named in what comes back. Errors: those of `load`, `invalid_config`, `draining`.
   *
   * @example
   * const { restart } = await switchboard.reload(() => loadConfig("./switchboard.toml"));
   */
  reload(load: () => Config): Promise<ReloadView>;

  /**
   * What happens, as it happens: durable events in order without gap or double, from the one after `after`
   * (default: from now on), and pieces of `text` in between. Ends at the abort or when Switchboard closes; with
   * `follow: false` after what has happened by now, which is then all of it when `after` is not given.
   */
  events(options?: EventsOptions): AsyncIterable<EventView>;

  /**
   * Stops accepting, lets running turns end (config `drain_seconds`), closes every process and releases the home.
   * Aborting `hurry` kills what is left at once. Resolves when no process is left.
   */
  close(options?: { hurry?: AbortSignal }): Promise<void>;
}

/**
 * Opens a home: takes its lock, ends what a crashed daemon left behind, and goes on with open messages.
 *
 * @example
 * const switchboard = await open({ home: "./state" });
 * const { message } = await switchboard.receive("telegram:12345", { text: "Hello", contact: { tier: "family" } });
 * const { reply } = await switchboard.settled(message.id, { timeoutMs: 60_000 });
 *
 * Errors: `home_in_use` (another one runs on this home), `invalid_config`, `storage_failed`, `storage_full`.
 */
export async function open(options: OpenOptions): Promise<Switchboard> {
  const { upstream = "offline", config = defaultConfig(), log = silent } = options;
  const clock = systemClock;
  const home = resolve(options.home);
  const own = options.channels ?? [];
  const { tiers, channels } = checked(config, {
    own,
    metered: upstream === "offline" || !("environment" in upstream),
  });
  // What has been opened, to be closed in reverse order: at the end, or when the next step fails.
  const opened: Array<() => Promise<void> | void> = [];
  const hurry = new AbortController();
  const closeAll = async () => {
    for (const close of opened.reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ error: String(error) }, "something could not be closed");
      }
    }
  };
  try {
    await makeHome(home);
    const lock = await lockHome(home, { clock }).catch((error: Error) => {
      throw new SwitchboardError("storage_failed", error.message, { cause: error });
    });
    if ("heldBy" in lock) throw inUse(home, lock.heldBy);
    opened.push(() => lock.release());

    const id = await homeId(home);
    // Under the lock whatever carries this home's mark is left over; it must be gone before any session is resumed.
    await sweep(id, { clock, log });
    const ledger = await storage(openSqliteLedger({ path: join(home, "switchboard.db") }));
    opened.push(() => ledger.close());

    const offline = upstream === "offline" ? await startOffline() : null;
    if (offline !== null) opened.push(() => offline.close());
    const direct = upstream !== "offline" && "environment" in upstream ? upstream.environment : null;
    const api = upstream === "offline" || "environment" in upstream ? {} : upstream;
    const baseUrl = offline?.url ?? api.baseUrl ?? anthropicApi;
    const times = { patienceMs: config.api.patience_seconds * 1000 };
    const gateway = await startGateway({ upstream: { ...api, baseUrl }, clock, log, times });
    opened.push(() => gateway.close());

    logEvents(ledger, log);
    const feed = new Feed(ledger);
    const metrics = new Metrics(ledger, {
      host: () => switchboard.host,
      census: () => manager.census(),
    });
    const spaces = join(home, "spaces");
    const folders = {
      home,
      spaces,
      links: join(home, "chats"),
      transcripts: join(home, "transcripts"),
      running: join(home, "running"),
    };
    const { processes } = config;
    const settings = settingsOf(config, totalMemory());
    const { limits, maxWaiting } = settings;
    const maxStarts = processes.max_starts ?? availableParallelism();
    const pool = new Pool({ ...settings.room, maxStarts }, clock);
    const claude = claudeCode({ homeId: id, path: config.path, direct, clock });
    const spares = new Spares({ count: settings.spares, claude, gateway, pool, clock, log, folders });
    const budgets = await storage(
      Budgets.open({
        ...{ ledger, clock, log, hurry: hurry.signal },
        ...settings.money,
        onSpent: (spending) => metrics.onSpent(spending),
      }),
    );
    opened.push(() => budgets.settled());
    const approvals = new Approvals({ ledger, clock, ...settings.asking });
    const manager = new Manager({
      ledger,
      approvals,
      budgets,
      claude,
      gateway,
      pool,
      spares,
      clock,
      log,
      tiers,
      admitted,
      hostId: id,
      folders,
      maxWaiting,
      weigh: memoryOfTrees,
      limits,
      healthCheckMs: processes.health_check_seconds * 1000,
      hurry: hurry.signal,
      onText: (piece) => {
        feed.text(piece);
        metrics.onText(piece.turnId);
      },
    });
    opened.push(() => feed.close());
    const outboxes = new Outboxes({
      ...{ ledger, clock, log, hurry: hurry.signal },
      hostOf: (channel) => switchboard.hostOf(channel),
    });
    // After the turns have ended: their replies still go out, or wait for the next start.
    opened.push(() => outboxes.close());
    opened.push(() => manager.drain());
    const importPlaces = { ledger, spaces, imports: join(home, "imports") };
    await storage(sweepImports(importPlaces));
    await clearLeft(folders);
    await storage(clearForgotten(ledger, folders));
    await storage(manager.recover());
    await storage(manager.expectNewChats());
    const overview = new Overview({ ledger, manager, pool, clock, log });
    opened.push(() => overview.close());
    const retention = new Retention({
      ...{ ledger, manager, tiers, folders, clock, log },
      onRemoved: (removed) => metrics.onRemoved(removed),
    });
    opened.push(() => retention.close());
    void retention.run();
    const switchboard: OpenSwitchboard = new OpenSwitchboard({
      upstream:
        direct !== null
          ? { kind: "direct" }
          : offline === null
            ? { kind: "api", baseUrl }
            : { kind: "offline" },
      since: clock.now(),
      clock,
      ledger,
      manager,
      approvals,
      budgets,
      gateway,
      pool,
      spares,
      folders,
      importPlaces,
      feed,
      metrics,
      overview,
      hurry,
      log,
      config,
      ownChannels: own,
      tiers,
      rateLimit: new RateLimit(settings.rates, clock),
      outboxes,
      closeAll,
    });
    await storage(outboxes.start(channels.values()));
    manager
      .resumeRecent(processes.resume_recent)
      .catch((error) => log.warn({ error: String(error) }, "the latest chats were not resumed"));
    return switchboard;
  } catch (error) {
    hurry.abort();
    await closeAll();
    throw error;
  }
}

interface Parts {
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

class OpenSwitchboard implements Switchboard {
  readonly #parts: Parts;
  #state: HostView["state"] = "running";
  #closed: Promise<void> | null = null;
  readonly #reload: Reload;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#reload = new Reload(parts);
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
    const channel = typeof input.channel === "string" ? this.#channel(input.channel) : null;
    return await this.#receive(chatId, input, channel);
  }

  #channel(name: string): Channel {
    const { outboxes } = this.#parts;
    const channel = outboxes.get(name);
    if (channel !== undefined) return channel;
    const known = outboxes.names.length === 0 ? "there are none" : `known: ${outboxes.names.join(", ")}`;
    throw new SwitchboardError("invalid_request", `channel: no such channel (${known})`, {
      field: "channel",
      hint: "Name it in switchboard.toml under [channels], or leave it out and fetch the replies.",
    });
  }

  hostOf(channel: Channel): ChannelHost {
    return {
      receive: (chatId, inbound) => this.#receive(chatId, inbound, channel),
      typing: (chatId) => void this.wake(chatId).catch(() => {}),
    };
  }

  async #receive(chatId: string, input: InboundInput, channel: Channel | null): Promise<Receipt> {
    const { text_bytes: textBytes, attachment_bytes: attachmentBytes } = this.#reload.config.limits;
    parseInput(chatIdSchema, chatId, "chatId");
    const inbound = parseInput(inboundSchema, input);
    const size = Buffer.byteLength(inbound.text);
    if (size > textBytes) {
      const hint = "Send it in parts, or raise limits.text_bytes.";
      throw new SwitchboardError("too_large", `text: ${size} bytes (at most ${textBytes})`, {
        field: "text",
        hint,
      });
    }
    if (this.#state !== "running") throw draining();
    // The chat's own tier is looked at together with what the ledger knows of it; a sender's can only lower it.
    const senderTier = inbound.sender?.tier;
    if (senderTier !== undefined && !admitted.includes(senderTier)) throw refused(senderTier);
    const contact = inbound.contact ?? {};
    const attachments = readAttachments(inbound.attachments ?? [], attachmentBytes);
    const isPlain = channel !== null && attachments.length === 0;
    const command = isPlain ? this.#commandIn(chatId, inbound.text, channel) : null;
    // What the ledger knows already is told as it stands, however fast it comes.
    const pace = command === null ? await this.#take(chatId, contact.tier) : null;
    const given: Inbound = {
      id: randomUUIDv7(),
      chatId,
      externalId: inbound.id ?? null,
      text: inbound.text,
      attachments,
      sender: inbound.sender ?? null,
      channel: channel?.name ?? null,
      route: inbound.route ?? null,
      command,
      contact,
      sessionNameBase: sessionNameBase(contact.name ?? null, chatId),
    };
    const acceptance = await this.#accept(given, attachments, command === null && pace === null).catch(
      (error) => {
        pace?.giveBack();
        throw error;
      },
    );
    if (acceptance.kind !== "accepted") pace?.giveBack();
    switch (acceptance.kind) {
      case "accepted":
        return { message: this.#messageView(acceptance.message), duplicate: false };
      case "duplicate":
        return { message: this.#messageView(acceptance.message), duplicate: true };
      case "conflict":
        throw new SwitchboardError(
          "conflict",
          `id: ${inbound.id} came before with another text or other attachments`,
          {
            field: "id",
            hint: "Give each message an id of its own; repeat an id only with the same content.",
          },
        );
      case "refused":
        throw refused(acceptance.tier);
      case "crowded":
        if (command === null && pace === null) throw tooFast();
        throw new SwitchboardError("overloaded", "too many chats wait for a process already", {
          hint: "Send it again later; processes.max_waiting in switchboard.toml is the limit.",
        });
    }
  }

  /** Nothing is decoded for whoever is refused, nor of what the ledger knows already. */
  async #accept(
    given: Inbound,
    attachments: readonly AttachmentFile[],
    tooFast: boolean,
  ): Promise<Acceptance> {
    const { manager } = this.#parts;
    if (!tooFast && attachments.length > 0) {
      // They are known by their digests.
      const told = attachments.map((file) => ({ ...file, data: new Uint8Array() }));
      const known = await storage(manager.accept({ ...given, attachments: told }, { tooFast: true }));
      if (known.kind !== "crowded") return known;
      await decodePictures(attachments);
    }
    if (this.#state !== "running") throw draining();
    return await storage(manager.accept(given, { tooFast }));
  }

  /** One of what the chat, its tier and all may send. */
  async #take(chatId: string, tier: string | undefined): Promise<{ giveBack(): void } | null> {
    const { rateLimit, tiers, ledger } = this.#parts;
    // Who is looked up for nothing costs each message a read.
    if (![...tiers.all].some(({ messagesPerMinute }) => messagesPerMinute !== null))
      return rateLimit.take(chatId);
    const known = tier ?? (await storage(ledger.chat(chatId)))?.contact.tier ?? "";
    return rateLimit.take(chatId, tiers.get(known)?.messagesPerMinute ?? undefined);
  }

  #commandIn(chatId: string, text: string, channel: Channel): MessageCommand | null {
    if (isStopWord(text, channel.stopWords)) return "stop";
    return this.#parts.approvals.isAnswer(chatId, text) ? "answer" : null;
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

async function makeHome(home: string): Promise<void> {
  try {
    await makeFolder(home);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SwitchboardError("storage_failed", `the home ${home} cannot be made: ${reason}`, {
      field: "home",
      hint: "Name a folder that can be written, with --home or SWITCHBOARD_HOME.",
      cause: error,
    });
  }
}

/** With its parents. Node's own way to do that never ends where a file system denies that it could (measured: /proc). */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    if (code !== "ENOENT") throw error;
    await makeFolder(dirname(path));
    await make();
  }
}

function inUse(home: string, { pid, since }: HomeHolder): SwitchboardError {
  return new SwitchboardError(
    "home_in_use",
    `Switchboard runs on ${home} already: process ${pid}, since ${iso(since)}`,
    {
      field: "home",
      hint: "Use that one, end it with `switchboard down`, or choose another home.",
    },
  );
}

function tooFast(): SwitchboardError {
  return new SwitchboardError("rate_limited", "messages come faster than they may", {
    hint: "Send it again later; limits.chat_messages_per_minute, limits.messages_per_minute and tiers.NAME.messages_per_minute in switchboard.toml are the limits.",
  });
}

function draining(): SwitchboardError {
  return new SwitchboardError("draining", "Switchboard is shutting down", {
    hint: "Send it again in a moment.",
  });
}

function refused(tier: string): SwitchboardError {
  return new SwitchboardError("refused_contact", `messages of tier ${tier} are refused`, {
    field: "contact.tier",
    hint: `Name the contact with one of the tiers ${admitted.join(", ")}.`,
  });
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

/** What the ledger cannot do, in the words of our callers. */
async function storage<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    const { code, message } = error;
    switch (code) {
      case "storage_full":
      case "storage_busy":
        throw new SwitchboardError(code, message, { cause: error });
      case "closed":
        throw draining();
      case "invalid":
        throw new SwitchboardError("invalid_request", message, { cause: error });
      default:
        throw new SwitchboardError("storage_failed", message, { cause: error });
    }
  }
}
