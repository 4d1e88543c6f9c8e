/** What the page says about a message, a chat and an action, in words. An icon and a tone go with some of them. */

/**
 * @import { ActionView, ChatState, ChatView, EventView, ReplyView, TimelineEntry, TroubleView, Waiting, WaitingFor } from "../views.ts"
 * @import { MessageEntry } from "./conversation.js"
 *
 * @typedef {"waiting" | "working" | "done" | "failed" | "stopped"} Mark decides the icon and the colour
 */

/**
 * @param {Pick<MessageEntry, "status" | "ran" | "waiting" | "error">} message
 * @returns {{ mark: Mark, text: string }}
 */
export function messageWords({ status, ran, waiting, error }) {
  switch (status) {
    case "queued":
      return { mark: "waiting", text: waiting === null ? "queued" : `queued: ${waitingWords(waiting)}` };
    case "sent":
      return { mark: "working", text: waiting === null ? "sent" : `sent: ${waitingWords(waiting)}` };
    case "answered":
      return { mark: "done", text: "answered" };
    case "refused":
    case "failed":
      return { mark: "failed", text: error === null ? status : `${status}: ${error.message}` };
    case "stopped":
      return {
        mark: "stopped",
        text: ran === true ? "stopped while Claude worked on it" : "stopped before Claude saw it",
      };
  }
}

/** @type {Record<NonNullable<Waiting["plan"]>, string>} */
const plans = {
  join: "it joins the running turn",
  next: "its turn is the next",
  collect: "its turn is the next, with what comes shortly",
  interrupt: "the running turn is stopped for it",
};

/** @param {Waiting} waiting */
function waitingWords({ for: what, position, until, plan }) {
  if (plan !== undefined) return plans[plan];
  switch (what) {
    case "slot":
      return position === undefined ? "waits for a slot" : `waits for a slot, place ${position}`;
    case "start":
      return "its process is starting";
    case "model":
      return "the model is at work";
    case "tool":
      return "a tool is running";
    case "approval":
      return "waits for an approval";
    case "limit":
      return until === undefined ? "waits for a limit" : `waits for a limit until ${timeWords(until)}`;
    case "compaction":
      return "the conversation is being compacted";
    case "budget":
      return "waits for its budget";
  }
}

/**
 * How far a reply is on its way through its channel; null when it is there.
 * @param {Pick<ReplyView, "status" | "error">} reply
 * @returns {{ mark: Mark, text: string } | null}
 */
export function deliveryWords({ status, error }) {
  const why = error === null ? "" : `: ${error.message}`;
  switch (status) {
    case "sent":
      return null;
    case "sending":
      return { mark: "working", text: "on its way" };
    case "pending":
      return {
        mark: "waiting",
        text: error === null ? "waits for its channel" : `not delivered yet, and tried again${why}`,
      };
    case "uncertain":
      return { mark: "failed", text: `nobody knows whether it was delivered${why}` };
    case "failed":
      return { mark: "failed", text: `not delivered${why}` };
  }
}

/**
 * What ails the model's API, and what follows from it.
 * @param {TroubleView} trouble
 */
export function troubleWords({ kind, until, message }) {
  const wait = "Chats wait until that is put right; their messages are kept.";
  switch (kind) {
    case "transient":
      return `The model's API has passing trouble; requests are tried again. (${message})`;
    case "limit":
      return `The usage limit is reached. Chats wait until ${timeWords(until)}; their messages are kept. (${message})`;
    case "authentication":
      return `The model's API refuses the credential. ${wait} (${message})`;
    case "billing":
      return `The model's API refuses for want of payment. ${wait} (${message})`;
  }
}

/**
 * Why nothing is done for a chat, and until when; null when that is not so.
 * @param {Pick<ChatView, "state" | "held">} chat
 */
export function heldWords({ state, held }) {
  if (held === null) return null;
  const until = timeWords(held.until);
  return state === "quarantined"
    ? `Held back until ${until}, or until Restart or Reset: ${held.reason}`
    : `Parked until ${until}: ${held.reason.replace(/\.$/, "")}. Messages are kept.`;
}

/**
 * What a chat's state means, for whoever has never seen the word.
 * @type {Record<ChatState, string>}
 */
export const stateMeaning = {
  starting: "its process is starting",
  idle: "its process waits for the next message",
  busy: "Claude is working",
  closing: "its process is closing",
  dormant: "no process; the next message resumes the conversation",
  parked: "waits for the model's API to let it through",
  quarantined: "held back after too many failures",
};

/**
 * What happened to a chat's conversation.
 * @param {{ code: string, text: string }} notice
 */
export function noticeWords({ code, text }) {
  switch (code) {
    case "session_reset":
      return "A new conversation begins here.";
    case "reset_undone":
      return "The earlier conversation goes on here.";
    case "turn_cut":
      return "Claude was cut off while it worked. The messages go on.";
    default:
      return text;
  }
}

/**
 * What an action did.
 * @param {ActionView} answer
 */
export function actionWords({ did, stopped, requeued }) {
  const waiting =
    requeued.length === 0 ? "" : ` ${counted(requeued.length, "message")} went back to the queue.`;
  switch (did) {
    case "stopped":
      return stopped.length === 0 ? "Stopped the turn." : `Stopped ${counted(stopped.length, "message")}.`;
    case "closed":
      return `Closed the process. The conversation stays.${waiting}`;
    case "restarted":
      return `Restarted: a new process goes on with the same conversation.${waiting}`;
    case "reset":
      return `Reset: the next message begins a new conversation.${
        stopped.length === 0 ? "" : ` Stopped ${counted(stopped.length, "message")}.`
      }`;
    case "undone":
      return "The earlier conversation is back.";
    case "woken":
      return "Its process is starting ahead of the next message.";
    case "forgotten":
      return "Nothing of the chat is left.";
    case "nothing":
      return "There was nothing to do.";
  }
}

/**
 * @param {number} count
 * @param {string} what in the singular
 */
export function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * The time of a day, and the day when it is not today.
 * @param {string} at
 * @param {Date} [now]
 */
export function timeWords(at, now = new Date()) {
  const then = new Date(at);
  const today = then.toDateString() === now.toDateString();
  const day = /** @type {const} */ ({ day: "numeric", month: "short" });
  return then.toLocaleString(undefined, { hour: "2-digit", minute: "2-digit", ...(today ? {} : day) });
}

/** @param {number} bytes */
export function memoryWords(bytes) {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1000 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

/** @param {number} ms */
export function durationWords(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/**
 * Sums too small for cents are not shown as nothing.
 * @param {number} usd
 */
export function moneyWords(usd) {
  return `${usd.toFixed(usd === 0 || usd >= 0.01 ? 2 : 4)} USD`;
}

/**
 * What open messages wait for, counted over all chats.
 * @type {Record<WaitingFor, string>}
 */
export const waitingReason = {
  slot: "for a slot",
  start: "for a process to start",
  model: "for the model",
  tool: "for a tool",
  approval: "for an approval",
  limit: "for a limit",
  compaction: "for a compaction",
  budget: "for a budget",
};

/**
 * What happened in a chat, for whoever looks over all of them.
 * @param {Exclude<EventView, { type: "text" }>} event
 */
export function eventWords(event) {
  switch (event.type) {
    case "message": {
      const { status, error } = event.message;
      return `message ${status}${error === null ? "" : `: ${error.message}`}`;
    }
    case "turn":
      return `turn ${event.state}`;
    case "tool":
      return `${event.name} ${event.state}`;
    case "reply":
      return `reply: ${deliveryWords(event.reply)?.text ?? "sent"}`;
    case "process":
      return `process ${event.generation} ${event.state}: ${event.reason}`;
    case "notice":
      return noticeWords(event);
  }
}

/**
 * A step on a message's way.
 * @param {TimelineEntry} entry
 */
export function timelineWords(entry) {
  switch (entry.what) {
    case "accepted":
      return `accepted at ${new Date(entry.at).toLocaleTimeString()}`;
    case "process_started":
      return `process ${entry.generation} starts: ${entry.reason}`;
    case "process_ended":
      return `process ${entry.generation} has ended: ${entry.reason}`;
    case "handed_over": {
      const { generation, kind, outcome } = entry;
      const how =
        kind === "continue"
          ? `process ${generation} takes up the cut turn`
          : `handed to process ${generation}`;
      if (outcome === "lost") return `${how}, which was gone before it had answered`;
      return outcome === "excused" ? `${how}, which gave it back` : how;
    }
    case "turn_started":
      return "a turn begins with it";
    case "turn_joined":
      return "joins the turn that runs";
    case "model_asked":
      return "the model is asked";
    case "model_answers":
      return "the model begins to answer";
    case "tool":
      return `uses ${entry.name}${entry.state === "failed" ? ", which fails" : ""}`;
    case "approval":
      return `asks for a yes to ${entry.tool}: ${entry.state}${entry.decidedBy === null ? "" : ` by ${entry.decidedBy}`}`;
    case "turn_ended":
      return entry.outcome === "cut" ? "the turn is cut: its process was gone" : "the turn ends";
    case "answer_found":
      return "its answer stood in the transcript of the process that was gone: nothing was asked again";
    case "remark":
      return entry.text;
    case "notice":
      return `its sender is told: “${entry.text}”`;
    case "ended":
      return entry.status;
    case "reply":
      return "its answer is there";
  }
}
