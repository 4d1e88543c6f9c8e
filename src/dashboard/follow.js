/**
 * Follows one of the daemon's event streams for as long as it is wanted: a cut stream is opened anew with growing
 * pauses. A page that nobody sees has no stream open, because a browser gives all pages of an address six
 * connections together; it goes on when it is shown.
 */

import { EventSourceParserStream } from "eventsource-parser/stream";
import { Refusal } from "./api.js";

/**
 * @import { EventView } from "../views.ts"
 * @import { Api } from "./api.js"
 *
 * @typedef {object} Follower
 * @property {boolean} resume whether a stream that is opened anew goes on where the last one ended
 * @property {() => void} opened called each time; from then on nothing is missed
 * @property {(event: EventView) => void} event
 * @property {() => void} lost the daemon does not answer; it is tried again until `opened`
 * @property {(refusal: Refusal) => void} refused the daemon does not want to: it is not tried again
 */

/** ms. The daemon shows every 15 s that a stream lives. */
const silenceMs = 40_000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

/**
 * @param {Api} api
 * @param {string} path
 * @param {Follower} follower
 * @returns {() => void} ends it
 */
export function follow(api, path, follower) {
  const over = new AbortController();
  void run(api, path, follower, over.signal);
  return () => over.abort();
}

/**
 * A stream that ends by itself, whole.
 * @param {Api} api
 * @param {string} path
 * @returns {Promise<EventView[]>}
 */
export async function readEvents(api, path) {
  const cut = new AbortController();
  const silence = watchdog(() => cut.abort());
  /** @type {EventView[]} */
  const events = [];
  try {
    const bytes = await api.events(path, null, cut.signal);
    for await (const { data } of eventsIn(bytes, silence.restart)) events.push(JSON.parse(data));
  } finally {
    silence.stop();
  }
  return events;
}

/**
 * @param {Api} api
 * @param {string} path
 * @param {Follower} follower
 * @param {AbortSignal} over
 */
async function run(api, path, follower, over) {
  /** @type {string | null} */
  let lastEventId = null;
  let pauseMs = firstPauseMs;
  while (!over.aborted) {
    await shown(over);
    const cut = new AbortController();
    const until = AbortSignal.any([over, cut.signal]);
    const hide = () => document.hidden && cut.abort();
    document.addEventListener("visibilitychange", hide, { signal: until });
    const silence = watchdog(() => cut.abort());
    try {
      const bytes = await api.events(path, follower.resume ? lastEventId : null, until);
      follower.opened();
      pauseMs = firstPauseMs;
      for await (const { id, data } of eventsIn(bytes, silence.restart)) {
        if (over.aborted) return;
        lastEventId = id ?? lastEventId;
        follower.event(JSON.parse(data));
      }
    } catch (error) {
      if (!over.aborted && error instanceof Refusal && error.retryAfterMs === null) {
        return follower.refused(error);
      }
    } finally {
      silence.stop();
      cut.abort();
    }
    if (over.aborted || document.hidden) continue;
    follower.lost();
    await pause(pauseMs, over);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

/**
 * Not `for await` over the stream itself: not every browser has that.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} bytes
 * @param {() => void} alive called for whatever comes, comments too
 */
async function* eventsIn(bytes, alive) {
  alive();
  const watched = new TransformStream({
    transform(chunk, controller) {
      alive();
      controller.enqueue(chunk);
    },
  });
  const reader = bytes
    .pipeThrough(watched)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** @param {() => void} bark */
function watchdog(bark) {
  let timer = setTimeout(bark, silenceMs);
  return {
    restart() {
      clearTimeout(timer);
      timer = setTimeout(bark, silenceMs);
    },
    stop: () => clearTimeout(timer),
  };
}

/**
 * Resolves when somebody can see the page.
 * @param {AbortSignal} over
 * @returns {Promise<void>}
 */
function shown(over) {
  return new Promise((resolve) => {
    if (!document.hidden || over.aborted) return resolve();
    const look = () => (document.hidden ? undefined : resolve());
    document.addEventListener("visibilitychange", look, { signal: over });
    over.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * @param {number} ms
 * @param {AbortSignal} over
 * @returns {Promise<void>}
 */
function pause(ms, over) {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = () => {
      clearTimeout(timer);
      ended.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (over.aborted) end();
    over.addEventListener("abort", end, { signal: ended.signal });
    // Whoever comes back to the page, or to the network, does not want to wait.
    document.addEventListener("visibilitychange", end, { signal: ended.signal });
    window.addEventListener("online", end, { signal: ended.signal });
  });
}
