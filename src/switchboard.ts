/** What Switchboard does for whoever embeds it: the library's face, which the daemon's API shows over HTTP. */

import type { Channel } from "./channels/index.ts";
import type { Config } from "./config.ts";
import type { InboundInput } from "./contacts/inbound.ts";
import type { EventsOptions } from "./feed.ts";
import type { ContactPatch, HistoryPage } from "./ledger/index.ts";
import type { Logger } from "./log.ts";
import type { ImportOptions } from "./sessions/index.ts";
import type {
  ActionView,
  ApprovalView,
  ChatState,
  ChatView,
  DeliveryView,
  EventView,
  HistoryEntry,
  HostView,
  ImportView,
  MessageView,
  OverviewView,
  PendingView,
  RaisedView,
  Receipt,
  ReloadView,
  RunView,
  SpendingView,
} from "./views.ts";

/**
 * Where the model is. `offline`: the built-in one that needs no network and no key. `environment`: a provider of Claude
 * Code's own (Bedrock, Vertex, a login), by variables that its processes are given; the gateway sees nothing of it.
 */
export type Upstream =
  | "offline"
  | { baseUrl?: string; apiKey?: string; authToken?: string }
  | { environment: Readonly<Record<string, string>> };

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
