/** How it goes over all chats, kept up to date while it is shown: the daemon's numbers, and what happened last. */

import { Refusal } from "./api.js";
import { readEvents } from "./follow.js";
import { pause, soon } from "./pause.js";

/**
 * @import { EventView, OverviewView } from "../views.ts"
 * @import { Api } from "./api.js"
 *
 * @typedef {Exclude<EventView, { type: "text" }>} DurableEvent
 */

/** ms. What no event tells, like memory, is as old as that. */
const everyMs = 5000;
/** ms from an event to the look at the numbers. */
const soonMs = 500;
/** Of the events that are worth a line. */
const most = 40;
/** So many events are looked through for them. */
const lookBack = 400;

export class Overview {
  /** @type {OverviewView | null} */
  view = null;
  /** @type {readonly DurableEvent[]} the latest first */
  events = [];
  /** How many of them the numbers are of. */
  hours = 6;
  #api;
  #changed;
  /** Of the one that is under way, so that a later one is never overwritten by an earlier. */
  #look = 0;
  #hasEvents = false;
  #lookSoon = soon(soonMs, async () => {
    if (!this.#over && !document.hidden) await this.look();
  });
  #over = false;

  /**
   * @param {Api} api
   * @param {() => void} changed
   */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
  }

  async begin() {
    while (!this.#over) {
      if (!document.hidden) await this.look();
      await pause(everyMs);
    }
  }

  end() {
    this.#over = true;
  }

  /** @param {number} hours */
  choose(hours) {
    this.hours = hours;
    this.#changed();
    void this.look();
  }

  async look() {
    const look = ++this.#look;
    try {
      const view = await this.#api.overview(this.hours);
      if (look !== this.#look) return;
      this.view = view;
      if (!this.#hasEvents) await this.#readEvents(view.lastEvent);
      this.#changed();
    } catch (error) {
      // The list's stream tells when the daemon is away, or the token is refused; the next look may succeed.
      if (!(error instanceof Error)) throw error;
    }
  }

  /** @param {EventView} event */
  happened(event) {
    if (!this.#hasEvents || !isNoteworthy(event)) return;
    this.#add([event]);
    void this.#lookSoon();
  }

  /** The stream has been cut, and goes on: what happened in between is read again. */
  reconnected() {
    this.#hasEvents = false;
    void this.look();
  }

  /** @param {number} last */
  async #readEvents(last) {
    this.#hasEvents = true;
    const after = Math.max(0, last - lookBack);
    try {
      const past = await readEvents(this.#api, `/v1/events?follow=false&text=false&after=${after}`);
      this.#add(past.filter(isNoteworthy).reverse());
    } catch (error) {
      this.#hasEvents = false;
      if (error instanceof Refusal) throw error;
    }
  }

  /** @param {readonly DurableEvent[]} events the latest first */
  #add(events) {
    const bySeq = new Map([...this.events, ...events].map((event) => [event.seq, event]));
    this.events = [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, most);
  }
}

/**
 * Not each step of a message that goes well.
 * @param {EventView} event
 * @returns {event is DurableEvent}
 */
export function isNoteworthy(event) {
  switch (event.type) {
    case "message":
      return event.message.status !== "sent";
    case "turn":
      return event.state === "cut" || event.state === "failed";
    case "reply":
      return event.reply.status === "failed" || event.reply.status === "uncertain";
    case "process":
      return event.state !== "starting";
    case "notice":
      return true;
    case "tool":
    case "text":
      return false;
  }
}
