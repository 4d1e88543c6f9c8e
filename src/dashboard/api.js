/**
 * The daemon's HTTP API. Every call bears the token. What goes wrong is one of two errors: `Refusal`, the daemon's
 * own answer, or `Unreachable`, no answer at all; only after the second is it unknown whether the call was carried out.
 */

/**
 * @import { ActionView, ApprovalView, ChatView, Contact, DeliveryView, HistoryEntry, HostView, MessageView, OverviewView, PendingView, RaisedView, RunView, SpendingView } from "../views.ts"
 *
 * @typedef {Partial<Contact>} ContactPatch
 * @typedef {"stop" | "close" | "restart" | "reset" | "undo-reset" | "wake"} Action
 */

/** The daemon's error, in its own words. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{ code: string, message: string, field?: string, hint?: string }} error
   * @param {number | null} retryAfterMs when the same call may succeed; null: never as it is
   */
  constructor(status, { code, message, field, hint }, retryAfterMs = null) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.field = field;
    this.hint = hint;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The daemon did not answer. */
export class Unreachable extends Error {
  constructor() {
    super("the daemon does not answer");
    this.name = "Unreachable";
  }
}

export class Api {
  #token;
  #fetch;

  /**
   * @param {string} token
   * @param {typeof globalThis.fetch} [fetch]
   */
  constructor(token, fetch = globalThis.fetch.bind(globalThis)) {
    this.#token = token;
    this.#fetch = fetch;
  }

  /** @returns {Promise<HostView>} */
  host() {
    return this.#json("GET", "/v1/host");
  }

  /**
   * How it goes, now and over the last hours.
   * @param {number} hours
   * @returns {Promise<OverviewView>}
   */
  async overview(hours) {
    return await this.#json("GET", `/v1/overview?hours=${hours}`);
  }

  /**
   * A page of chats, most recently active first.
   * @param {string | null} after the cursor of the page; null: the first
   * @returns {Promise<{ chats: ChatView[], next: string | null }>}
   */
  chats(after) {
    return this.#json(
      "GET",
      `/v1/chats?limit=100${after === null ? "" : `&after=${encodeURIComponent(after)}`}`,
    );
  }

  /**
   * @param {string} chatId
   * @returns {Promise<ChatView>}
   */
  async chat(chatId) {
    return await this.#json("GET", chatPath(chatId));
  }

  /**
   * @param {string} chatId
   * @param {ContactPatch} contact
   * @returns {Promise<ChatView>}
   */
  async putChat(chatId, contact) {
    return await this.#json("PUT", chatPath(chatId), { contact });
  }

  /**
   * Nothing of it is left.
   * @param {string} chatId
   * @returns {Promise<ActionView>}
   */
  async forget(chatId) {
    return await this.#json("DELETE", chatPath(chatId));
  }

  /**
   * The latest first.
   * @param {string} chatId
   * @returns {Promise<{ processes: RunView[] }>}
   */
  async processes(chatId) {
    return await this.#json("GET", `${chatPath(chatId)}/processes`);
  }

  /**
   * @param {string} chatId
   * @param {Action} action
   * @returns {Promise<ActionView>}
   */
  async act(chatId, action) {
    return await this.#json("POST", `${chatPath(chatId)}/${action}`);
  }

  /**
   * Messages and replies, newest first, with what was done for each message.
   * @param {string} chatId
   * @param {number | null} before only those with a lower `seq`; null: the newest
   * @returns {Promise<{ history: HistoryEntry[], next: number | null }>}
   */
  async history(chatId, before) {
    const from = before === null ? "" : `&before=${before}`;
    return await this.#json("GET", `${chatPath(chatId)}/messages?order=newest&limit=50&timeline=true${from}`);
  }

  /**
   * The same `id` again does nothing but show the message as it stands.
   * @param {string} chatId
   * @param {{ id: string, text: string }} message
   * @returns {Promise<MessageView>}
   */
  async send(chatId, message) {
    return await this.#json("POST", `${chatPath(chatId)}/messages`, message);
  }

  /**
   * The most urgent of the tool calls that wait for a person's yes.
   * @returns {Promise<{ approvals: ApprovalView[] }>}
   */
  async approvals() {
    return await this.#json("GET", "/v1/approvals?limit=20");
  }

  /**
   * @param {string} id
   * @param {"approve" | "deny"} answer
   * @returns {Promise<ApprovalView>}
   */
  async answer(id, answer) {
    return await this.#json("POST", `/v1/approvals/${encodeURIComponent(id)}/${answer}`);
  }

  /**
   * Chats that nobody has named and that wrote all the same, the last to write first.
   * @returns {Promise<{ pending: PendingView[] }>}
   */
  async pending() {
    return await this.#json("GET", "/v1/pending?limit=20");
  }

  /**
   * @param {string} chatId
   * @returns {Promise<PendingView>}
   */
  async dismiss(chatId) {
    return await this.#json("POST", `${chatPath(chatId)}/dismiss`);
  }

  /**
   * What a chat has cost in the last 30 days (UTC), the latest first.
   * @param {string} chatId
   * @returns {Promise<{ usage: SpendingView[] }>}
   */
  async chatUsage(chatId) {
    return await this.#json("GET", `${chatPath(chatId)}/usage?days=30`);
  }

  /**
   * More than the budget, for today.
   * @param {number} usd
   * @param {{ chatId?: string, tier?: string }} whose neither: of all chats together
   * @returns {Promise<RaisedView>}
   */
  async allowMore(usd, { chatId, tier }) {
    const path = chatId === undefined ? "/v1/allow-more" : `${chatPath(chatId)}/allow-more`;
    return await this.#json("POST", path, { usd, ...(tier === undefined ? {} : { tier }) });
  }

  /**
   * The oldest of the replies that were not delivered, or of which nobody knows.
   * @returns {Promise<{ deliveries: DeliveryView[] }>}
   */
  async failedReplies() {
    return await this.#json("GET", "/v1/replies/failed?limit=20");
  }

  /**
   * @param {string} replyId
   * @returns {Promise<DeliveryView>}
   */
  async retryReply(replyId) {
    return await this.#json("POST", `/v1/replies/${encodeURIComponent(replyId)}/retry`);
  }

  /**
   * Server-sent events. Resolves when the stream is open: from then on nothing is missed.
   * @param {string} path
   * @param {string | null} lastEventId where to go on
   * @param {AbortSignal} signal
   * @returns {Promise<ReadableStream<Uint8Array<ArrayBuffer>>>}
   */
  async events(path, lastEventId, signal) {
    const response = await this.#call(path, {
      headers: lastEventId === null ? {} : { "last-event-id": lastEventId },
      signal,
    });
    if (response.body === null) throw new Unreachable();
    return response.body;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async #json(method, path, body) {
    const response = await this.#call(path, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    return await response.json().catch(() => Promise.reject(new Unreachable()));
  }

  /**
   * @param {string} path
   * @param {RequestInit & { headers?: Record<string, string> }} init
   * @returns {Promise<Response>} one that is ok
   */
  async #call(path, init) {
    const headers = { ...init.headers, authorization: `Bearer ${this.#token}` };
    const response = await this.#fetch(path, { ...init, headers, cache: "no-store" }).catch(() =>
      Promise.reject(new Unreachable()),
    );
    if (response.ok) return response;
    const answer = await response.json().catch(() => Promise.reject(new Unreachable()));
    const seconds = response.headers.get("retry-after");
    throw new Refusal(response.status, answer.error, seconds === null ? null : Number(seconds) * 1000);
  }
}

/**
 * Chats that no URL can name are refused here: what the daemon would get is another path.
 * @param {string} chatId
 */
export function chatPath(chatId) {
  if (chatId === "" || chatId === "." || chatId === ".." || !chatId.isWellFormed()) {
    throw new Refusal(400, {
      code: "invalid_chat_id",
      message: "chatId: must be well-formed text, not empty, and not . or ..",
      field: "chatId",
    });
  }
  return `/v1/chats/${encodeURIComponent(chatId)}`;
}
