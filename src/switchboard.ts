/**
 * The library's face, and what the daemon is built on: composes ledger, gateway, Claude and sessions.
 * It installs no signal handlers and reads no environment; whoever embeds it decides about both.
 */

import type { Config } from "./config.ts";
import type { InboundInput } from "./contacts/inbound.ts";
import type { ContactPatch } from "./ledger/index.ts";
import type { Logger } from "./log.ts";
import type {
  ActionView,
  ChatState,
  ChatView,
  EventView,
  HistoryEntry,
  MessageView,
  Receipt,
} from "./views.ts";

/** Where the model is. `offline`: the built-in one that needs no network and no key. */
export type Upstream = "offline" | { baseUrl?: string; apiKey?: string; authToken?: string };

export interface OpenOptions {
  /** The folder that holds everything; created with mode 0700 when missing. One Switchboard at a time. */
  home: string;
  /** Default `offline`. */
  upstream?: Upstream;
  /** Default: all defaults. `loadConfig` reads one from a file. */
  config?: Config;
  /** Default: silent. */
  log?: Logger;
}

/**
 * Every method that takes a chat id or other input throws a `SwitchboardError` whose `code`, `field` and `hint`
 * say what is wrong. Shapes are those of the HTTP API.
 */
export interface Switchboard {
  readonly upstream: { kind: "offline" } | { kind: "api"; baseUrl: string };
  /** `draining` from the moment that `close` was called: nothing is accepted any more. */
  readonly state: "running" | "draining" | "closed";

  /**
   * Accepts a message for a chat; resolves when it is on disk. The answer comes later: see `settled` and `events`.
   * Errors: `invalid_chat_id`, `invalid_text`, `invalid_request`, `unknown_tier`, `unsupported`, `too_large`,
   * `refused_contact`, `conflict`, `draining`, `storage_full`, `storage_busy`, `storage_failed`.
   */
  receive(chatId: string, inbound: InboundInput): Promise<Receipt>;
  /** Error: `not_found`. */
  message(id: string): Promise<MessageView>;
  /** The message as soon as it has its end status, or as it stands after `timeoutMs` or at the abort. Error: `not_found`. */
  settled(id: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<MessageView>;
  /** Messages and replies with `seq > after` (default 0), oldest first. `limit` 1 to 1000, default 100. */
  history(chatId: string, options?: { after?: number; limit?: number }): Promise<HistoryEntry[]>;

  /** Error: `not_found`. */
  chat(chatId: string): Promise<ChatView>;
  /** Most recently active first. `limit` 1 to 1000, default 100. `next` is the cursor of the next page. */
  chats(options?: {
    after?: string;
    limit?: number;
    state?: ChatState;
  }): Promise<{ chats: ChatView[]; next: string | null }>;
  /** Names a chat or changes its contact: only the given fields. */
  putContact(chatId: string, contact: ContactPatch): Promise<ChatView>;

  /** Goes past the queue: waiting messages end `stopped`, the running turn is interrupted, after 10 s killed. */
  stop(chatId: string): Promise<ActionView>;
  /** Closes the process when its turn has ended (30 s at most). The conversation stays. */
  closeChat(chatId: string): Promise<ActionView>;
  /** As `closeChat`, then a new process on the same session. */
  restart(chatId: string): Promise<ActionView>;
  /** Stop, and a new session. The old one is kept for `undoReset`. */
  reset(chatId: string): Promise<ActionView>;
  /** Brings the session before the last reset back. Errors: `busy`, `not_found` when there is none. */
  undoReset(chatId: string): Promise<ActionView>;

  /**
   * What happens, as it happens: durable events in order without gap or double, from the one after `after`
   * (default: from now on), and `text` pieces in between. Ends at the abort or when Switchboard closes.
   */
  events(options?: { after?: number; chatId?: string; signal?: AbortSignal }): AsyncIterable<EventView>;

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
 * Errors: `home_in_use` (another one runs on this home), `invalid_config`, `storage_failed`.
 */
export async function open(_options: OpenOptions): Promise<Switchboard> {
  throw new Error("being built");
}
