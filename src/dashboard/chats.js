/**
 * The list of chats, kept as it is: what happens anywhere makes the chats that it happened to be read again. What ails
 * the model's API is told by no event, so the daemon is asked about itself now and then besides.
 *
 * One request is under way at a time, with a pause behind each round. When many chats have changed at once, the pages
 * that are shown are read again instead, so that a thousand busy chats cost as much as the list is long.
 */

import { Refusal, Unreachable } from "./api.js";
import { chatOf, emptyList, withChat, withoutChat, withPage } from "./chat-list.js";
import { follow } from "./follow.js";
import { pause } from "./pause.js";

/**
 * @import { ApprovalView, ChatView, DeliveryView, EventView, HostView, PendingView } from "../views.ts"
 * @import { Api } from "./api.js"
 *
 * @typedef {object} Watcher
 * @property {() => void} changed
 * @property {(event: EventView) => void} happened
 * @property {() => void} reconnected the stream is open, after a cut or for the first time
 * @property {(refusal: Refusal) => void} refused
 */

/** ms from one round of reading to the next. */
const everyMs = 250;
/** ms. */
const passingEveryMs = 1000;
/** ms. */
const hostEveryMs = 5000;
/** More changed chats than these in one round, and the pages are read instead. */
const single = 8;

export class Chats {
  /** @type {import("./chat-list.js").ChatList} */
  list = emptyList;
  /** @type {HostView | null} */
  host = null;
  /** @type {readonly ApprovalView[]} tool calls that wait for a person's yes, the most urgent of them */
  approvals = [];
  /** @type {readonly DeliveryView[]} replies that were not delivered, the oldest of them */
  failed = [];
  /** @type {readonly PendingView[]} chats that nobody has named, the last to write first */
  pending = [];
  /** Whether the list has been read once. */
  loaded = false;
  connected = true;
  #api;
  #watcher;
  #end = () => {};
  /** @type {Set<string>} */
  #stale = new Set();
  /** Pages to read: those that are shown, or one more. */
  #pages = 1;
  #allStale = false;
  #reading = false;
  #over = false;

  /**
   * @param {Api} api
   * @param {Watcher} watcher
   */
  constructor(api, watcher) {
    this.#api = api;
    this.#watcher = watcher;
  }

  begin() {
    this.#end = follow(this.#api, "/v1/events?text=false", {
      // What was missed is not looked through: the pages say how everything stands.
      resume: false,
      opened: () => {
        this.#connect(true);
        this.#watcher.reconnected();
        this.#readAll();
      },
      event: (event) => {
        this.touch(event.chatId);
        this.#watcher.happened(event);
      },
      lost: () => this.#connect(false),
      refused: (refusal) => this.#watcher.refused(refusal),
    });
    void this.#watchHost();
    void this.lookAround();
  }

  /** What no event tells: who knocks. */
  async lookAround() {
    try {
      this.pending = (await this.#api.pending()).pending;
      this.#watcher.changed();
    } catch {
      // The stream tells when the daemon is away; the next look may succeed.
    }
  }

  end() {
    this.#over = true;
    this.#end();
  }

  /** @param {string} chatId */
  of(chatId) {
    return chatOf(this.list, chatId);
  }

  /**
   * A chat as an answer of the daemon has shown it. Pages that are just being read may not know of it yet.
   * @param {ChatView} chat
   */
  put(chat) {
    this.list = withChat(this.list, chat);
    this.touch(chat.chatId);
    this.#watcher.changed();
  }

  /**
   * Something happened to it: it is read again soon.
   * @param {string} chatId
   */
  touch(chatId) {
    this.#stale.add(chatId);
    void this.#read();
  }

  /** One more page. */
  more() {
    this.#pages++;
    this.#readAll();
  }

  #readAll() {
    this.#allStale = true;
    void this.#read();
  }

  async #read() {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#over && (this.#allStale || this.#stale.size > 0)) {
        const chatIds = [...this.#stale];
        const all = this.#allStale || chatIds.length > single;
        this.#stale.clear();
        this.#allStale = false;
        if (all) await this.#readPages();
        else for (const chatId of chatIds) await this.#readChat(chatId);
        await this.#readHost();
        this.#watcher.changed();
        await pause(everyMs);
        if (this.#stale.size === 0) await this.#followPassing();
      }
    } catch (error) {
      // The stream tells when the daemon is away; whatever comes next makes everything be read again.
      this.#allStale = true;
      if (!(error instanceof Refusal || error instanceof Unreachable)) throw error;
    } finally {
      this.#reading = false;
    }
  }

  async #readHost() {
    this.host = await this.#api.host();
    this.approvals = (await this.#api.approvals()).approvals;
    if (this.host.channels.length > 0) this.failed = (await this.#api.failedReplies()).deliveries;
  }

  async #watchHost() {
    while (!this.#over) {
      await pause(hostEveryMs);
      if (document.hidden || !this.connected || this.#over) continue;
      try {
        await this.#readHost();
        await this.lookAround();
        this.#watcher.changed();
      } catch {
        // The stream tells when the daemon is away; the next look may succeed.
      }
    }
  }

  /** A process that is ready, or a turn's last work, is told by no event: such chats are looked at again. */
  async #followPassing() {
    const passing = this.list.chats.filter(isPassing).slice(0, single);
    if (passing.length === 0) return;
    await pause(passingEveryMs);
    for (const { chatId } of passing) this.#stale.add(chatId);
  }

  /** @param {string} chatId */
  async #readChat(chatId) {
    try {
      this.list = withChat(this.list, await this.#api.chat(chatId));
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 401) throw error;
      // There is no chat of this name yet, or no more.
      this.list = withoutChat(this.list, chatId);
    }
  }

  async #readPages() {
    let list = emptyList;
    for (let page = 0; page < this.#pages; page++) {
      list = withPage(list, await this.#api.chats(list.next));
      if (list.next === null) break;
    }
    this.list = list;
    this.loaded = true;
  }

  /** @param {boolean} connected */
  #connect(connected) {
    this.connected = connected;
    this.#watcher.changed();
  }
}

/**
 * Whether a chat's state is about to become another by itself.
 * @param {ChatView} chat
 */
function isPassing({ state, queued }) {
  return state === "starting" || state === "closing" || (state === "busy" && queued === 0);
}
