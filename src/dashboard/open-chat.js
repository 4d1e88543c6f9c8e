/**
 * The chat that is shown: its conversation, kept as it is, and what can be done to it.
 *
 * Its stream is opened before its history is read, and events that come in between wait for the history; so nothing
 * is missed and nothing is told before what it builds on. After a cut, the stream goes on where it ended.
 */

import { Refusal, Unreachable } from "./api.js";
import { emptyConversation, isOpen, withEvent, withPage, withWaiting } from "./conversation.js";
import { follow } from "./follow.js";
import { pause, soon } from "./pause.js";
import { actionWords } from "./words.js";

/**
 * @import { EventView, RunView, SpendingView } from "../views.ts"
 * @import { Action, Api } from "./api.js"
 *
 * @typedef {object} Note what the last action did, or why it did nothing
 * @property {"done" | "failed" | "running"} tone
 * @property {string} text
 * @property {boolean} undo whether it can be taken back
 *
 * @typedef {object} Details
 * @property {readonly RunView[]} processes the latest first
 * @property {readonly SpendingView[]} usage of the last 30 days, the latest first
 *
 * @typedef {object} OpenChatWatcher
 * @property {() => void} changed
 * @property {(externalId: string) => void} accepted the daemon has told of a message with this id
 * @property {(text: string) => void} replied
 * @property {() => void} acted an action has changed the chat
 * @property {(refusal: Refusal) => void} refused
 */

/** ms. What a message waits for is in no event. */
const waitingEveryMs = 1000;
/** ms from an event to the look at what was done since. */
const soonMs = 250;
/** ms without a keystroke, after which the next one is somebody who begins to write. */
const quietMs = 60_000;

export class OpenChat {
  conversation = emptyConversation;
  loaded = false;
  /** The chat does not exist (any more). */
  missing = false;
  connected = true;
  /** @type {Note | null} */
  note = null;
  /** @type {Details | null} as long as somebody looks at them */
  details = null;
  #showsDetails = false;
  #lookSoon = soon(soonMs, async () => {
    if (this.#over) return;
    await this.#look();
    if (this.#showsDetails) await this.#readDetails();
  });
  #forgetting = false;
  #api;
  #watcher;
  #end = () => {};
  /** @type {EventView[]} that wait for the history */
  #early = [];
  /** When somebody last wrote on a message, in ms of the page's clock. */
  #writtenAt = Number.NEGATIVE_INFINITY;
  #opened = false;
  #over = false;

  /**
   * @param {Api} api
   * @param {string} chatId
   * @param {OpenChatWatcher} watcher
   */
  constructor(api, chatId, watcher) {
    this.#api = api;
    this.chatId = chatId;
    this.#watcher = watcher;
  }

  begin() {
    this.#end = follow(this.#api, `/v1/chats/${encodeURIComponent(this.chatId)}/events`, {
      resume: true,
      opened: () => {
        this.connected = true;
        if (!this.#opened) void this.#load();
        this.#opened = true;
        this.#watcher.changed();
      },
      event: (event) => (this.loaded ? this.#take(event) : this.#early.push(event)),
      lost: () => {
        this.connected = false;
        this.#watcher.changed();
      },
      refused: (refusal) => this.#watcher.refused(refusal),
    });
    void this.#watchWaiting();
  }

  end() {
    this.#over = true;
    this.#end();
  }

  /** Reads the page before the oldest entry. */
  async older() {
    const { older } = this.conversation;
    if (older === null) return;
    try {
      const page = await this.#api.history(this.chatId, older);
      if (this.conversation.older === older) this.conversation = withPage(this.conversation, page);
    } catch (error) {
      this.note = { tone: "failed", text: reasonOf(error), undo: false };
    }
    this.#watcher.changed();
  }

  /** @param {Action} action */
  async act(action) {
    this.#say({ tone: "running", text: "…", undo: false });
    try {
      const answer = await this.#api.act(this.chatId, action);
      this.#say({ tone: "done", text: actionWords(answer), undo: answer.did === "reset" });
    } catch (error) {
      this.#say({ tone: "failed", text: reasonOf(error), undo: false });
    }
    this.#watcher.acted();
  }

  /** Resolves with whether nothing of it is left. */
  async forget() {
    this.#say({ tone: "running", text: "…", undo: false });
    this.#forgetting = true;
    try {
      await this.#api.forget(this.chatId);
      return true;
    } catch (error) {
      this.#forgetting = false;
      this.#say({ tone: "failed", text: reasonOf(error), undo: false });
      return false;
    }
  }

  /** Somebody writes on a message: the process is woken ahead of it. Whether that helps is seen by the answer. */
  writing() {
    const now = performance.now();
    const begins = now - this.#writtenAt >= quietMs;
    this.#writtenAt = now;
    if (begins && !this.missing) void this.#api.act(this.chatId, "wake").catch(() => {});
  }

  /** @param {string} replyId */
  async retryReply(replyId) {
    try {
      await this.#api.retryReply(replyId);
    } catch (error) {
      this.#say({ tone: "failed", text: reasonOf(error), undo: false });
    }
    this.#watcher.acted();
  }

  dismiss() {
    this.#say(null);
  }

  /** @param {Note | null} note */
  #say(note) {
    this.note = note;
    this.#watcher.changed();
  }

  async #load() {
    while (!this.#over && !this.loaded) {
      try {
        this.#show(await this.#api.history(this.chatId, null));
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) {
          this.missing = true;
          this.#show({ history: [], next: null });
        } else {
          await pause(waitingEveryMs);
        }
      }
    }
  }

  /** @param {Parameters<typeof withPage>[1]} page */
  #show(page) {
    this.loaded = true;
    this.conversation = withPage(this.conversation, page);
    for (const entry of page.history) {
      if (entry.type === "message" && entry.externalId !== null) this.#watcher.accepted(entry.externalId);
    }
    for (const event of this.#early.splice(0)) this.#take(event);
    this.#watcher.changed();
  }

  /** @param {EventView} event */
  #take(event) {
    const before = this.conversation;
    this.missing = false;
    this.conversation = withEvent(before, event);
    if (event.type === "message" && event.message.externalId !== null) {
      this.#watcher.accepted(event.message.externalId);
    }
    if (event.type !== "text") void this.#lookSoon();
    if (event.type === "reply" && !before.entries.some(({ id }) => id === event.reply.id)) {
      this.#watcher.replied(event.reply.text);
    }
    this.#watcher.changed();
  }

  async #watchWaiting() {
    while (!this.#over) {
      await pause(waitingEveryMs);
      if (document.hidden || !this.connected || !this.conversation.entries.some(isOpen)) continue;
      await this.#look();
    }
  }

  async #look() {
    // Soon there may be nothing to look at.
    if (this.#forgetting) return;
    try {
      const { history } = await this.#api.history(this.chatId, null);
      this.conversation = withWaiting(this.conversation, history);
      this.#watcher.changed();
    } catch {
      // The stream tells when the daemon is away; the next look may succeed.
    }
  }

  /** What stands behind the chat; kept up to date from then on. */
  async showDetails() {
    this.#showsDetails = true;
    await this.#readDetails();
  }

  async #readDetails() {
    let details;
    try {
      const [{ processes }, { usage }] = await Promise.all([
        this.#api.processes(this.chatId),
        this.#api.chatUsage(this.chatId),
      ]);
      details = { processes, usage };
    } catch (error) {
      // Of a chat that nobody has named there is nothing.
      details = { processes: [], usage: [] };
      if (!(error instanceof Refusal || error instanceof Unreachable)) throw error;
    }
    // Somebody may have closed them meanwhile.
    if (this.#showsDetails) this.details = details;
    this.#watcher.changed();
  }

  hideDetails() {
    this.#showsDetails = false;
    this.details = null;
  }
}

/** @param {unknown} error */
export function reasonOf(error) {
  if (!(error instanceof Error)) return String(error);
  return error instanceof Refusal && error.hint !== undefined
    ? `${error.message}. ${error.hint}`
    : error.message;
}
