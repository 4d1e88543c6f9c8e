/**
 * Messages on their way to the daemon. Each has an external id from the start, so sending it again after a cut
 * connection neither doubles nor loses it. Those of one chat are sent one after the other, in the order in which they
 * were written. One that the daemon refuses waits for its writer, and so does not hold up those behind it.
 */

import { Refusal } from "./api.js";
import { pause as wait } from "./pause.js";

/**
 * @import { MessageView } from "../views.ts"
 *
 * @typedef {object} Outgoing
 * @property {string} id the message's external id
 * @property {string} chatId
 * @property {string} text
 * @property {"sending" | "retrying" | "refused"} state
 * @property {Refusal | null} refusal
 */

const firstPauseMs = 500;
const longestPauseMs = 10_000;

export class Outbox {
  #send;
  #changed;
  #pause;
  /** @type {readonly Outgoing[]} */
  #all = [];
  /** @type {Set<string>} chats whose messages are being sent */
  #busy = new Set();

  /**
   * @param {object} options
   * @param {(chatId: string, message: { id: string, text: string }) => Promise<MessageView>} options.send
   * @param {() => void} options.changed
   * @param {(ms: number) => Promise<void>} [options.pause]
   */
  constructor({ send, changed, pause = wait }) {
    this.#send = send;
    this.#changed = changed;
    this.#pause = pause;
  }

  /**
   * Those that have not been accepted, in order.
   * @param {string} chatId
   */
  of(chatId) {
    return this.#all.filter((message) => message.chatId === chatId);
  }

  /**
   * @param {string} chatId
   * @param {string} text
   */
  add(chatId, text) {
    this.#set([...this.#all, { id: newId(), chatId, text, state: "sending", refusal: null }]);
    void this.#run(chatId);
  }

  /**
   * Sends a refused one again.
   * @param {Outgoing} message
   */
  retry({ id, chatId }) {
    this.#update(id, { state: "sending", refusal: null });
    void this.#run(chatId);
  }

  /**
   * The chat shows it now, or nobody wants it any more.
   * @param {string} id
   */
  remove(id) {
    if (this.#all.some((message) => message.id === id)) {
      this.#set(this.#all.filter((message) => message.id !== id));
    }
  }

  /** @param {string} chatId */
  async #run(chatId) {
    if (this.#busy.has(chatId)) return;
    this.#busy.add(chatId);
    for (let pauseMs = firstPauseMs; ; ) {
      const next = this.of(chatId).find(({ state }) => state !== "refused");
      if (next === undefined) break;
      try {
        await this.#send(chatId, { id: next.id, text: next.text });
        this.remove(next.id);
        pauseMs = firstPauseMs;
      } catch (error) {
        if (error instanceof Refusal && error.retryAfterMs === null) {
          this.#update(next.id, { state: "refused", refusal: error });
          continue;
        }
        this.#update(next.id, { state: "retrying" });
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    }
    this.#busy.delete(chatId);
  }

  /**
   * @param {string} id
   * @param {Partial<Outgoing>} change
   */
  #update(id, change) {
    this.#set(this.#all.map((message) => (message.id === id ? { ...message, ...change } : message)));
  }

  /** @param {readonly Outgoing[]} all */
  #set(all) {
    this.#all = all;
    this.#changed();
  }
}

/** Not `crypto.randomUUID`: a page from another host over HTTP does not count as secure, and has none. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
