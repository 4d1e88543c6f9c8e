/**
 * One chat's conversation as it is shown, built from pages of its history and from its events. Pure: each step
 * gives a new conversation, and entries that did not change are the same objects as before.
 *
 * Events are told in the order of their commit, so replaying some that a page has already shown ends in the same
 * place; on the way there, an end that is known is never taken back. Pieces of text only make a reply appear sooner:
 * what the reply itself says is what counts. A piece may be missing (the daemon drops them for slow readers, and a
 * page that is opened in mid-turn has not seen the first ones), so what is known of a text is a list of stretches.
 */

/**
 * @import { EventView, HistoryEntry, MessageView, ReplyView, TimelineEntry } from "../views.ts"
 *
 * @typedef {Pick<MessageView, "id" | "externalId" | "seq" | "text" | "attachments" | "status" | "ran" | "waiting" | "error">
 *   & { type: "message", at: string, timeline: readonly TimelineEntry[] }} MessageEntry
 * @typedef {Pick<ReplyView, "id" | "kind" | "text" | "status" | "error">
 *   & { type: "reply", seq: number, at: string }} ReplyEntry
 * @typedef {{ type: "event", id: string, seq: number, code: string, text: string, at: string }} EventEntry
 * @typedef {MessageEntry | ReplyEntry | EventEntry} Entry
 *
 * @typedef {{ offset: number, text: string }} Stretch
 * @typedef {object} Draft the reply that is being written
 * @property {string} turnId
 * @property {readonly Stretch[]} stretches
 * @property {boolean} ended its reply is there: it is not shown any more
 *
 * @typedef {object} Conversation
 * @property {readonly Entry[]} entries in order
 * @property {number | null} older before which `seq` there are older ones; null: there are none
 * @property {Draft | null} draft
 * @property {ReadonlyMap<string, string>} tools names of the tools that run, by the id of their call
 */

/** @type {Conversation} */
export const emptyConversation = { entries: [], older: null, draft: null, tools: new Map() };

/**
 * A page of history: the newest, or the one before the oldest that is there.
 * @param {Conversation} conversation
 * @param {{ history: readonly HistoryEntry[], next: number | null }} page
 * @returns {Conversation}
 */
export function withPage(conversation, { history, next }) {
  const known = { ...conversation, older: next };
  return history.reduce((all, entry) => put(all, entryOf(entry)), known);
}

/**
 * What open messages wait for and what was done for each, which no event tells. A message that has moved on since is left alone.
 * @param {Conversation} conversation
 * @param {readonly HistoryEntry[]} history
 * @returns {Conversation}
 */
export function withWaiting(conversation, history) {
  const messages = new Map(history.flatMap((entry) => (entry.type === "message" ? [[entry.id, entry]] : [])));
  const entries = conversation.entries.map((entry) => {
    const now = entry.type === "message" ? messages.get(entry.id) : undefined;
    if (entry.type !== "message" || now === undefined || now.status !== entry.status) return entry;
    const { waiting, timeline = [] } = now;
    return JSON.stringify([waiting, timeline]) === JSON.stringify([entry.waiting, entry.timeline])
      ? entry
      : { ...entry, waiting, timeline };
  });
  return { ...conversation, entries };
}

/**
 * @param {Conversation} conversation
 * @param {EventView} event
 * @returns {Conversation}
 */
export function withEvent(conversation, event) {
  switch (event.type) {
    case "text":
      return { ...conversation, draft: withPiece(conversation.draft, event) };
    case "message": {
      const { id, externalId, seq, text, attachments, status, ran, error } = event.message;
      const known = conversation.entries.find((entry) => entry.id === id);
      const at = known?.at ?? event.at;
      const waiting = known?.type === "message" && known.status === status ? known.waiting : null;
      const timeline = known?.type === "message" ? known.timeline : [];
      return put(conversation, {
        type: "message",
        ...{ id, externalId, seq, text, attachments, status, ran, error, waiting, at, timeline },
      });
    }
    case "reply": {
      const { id, kind, text, status, error } = event.reply;
      // Everything before it has been told: its place is the next one.
      const seq = conversation.entries.find((entry) => entry.id === id)?.seq ?? lastSeq(conversation) + 1;
      // The end of its turn comes behind it. Should a piece of the next turn have overtaken it, more will follow.
      const draft =
        kind === "answer" && conversation.draft ? { ...conversation.draft, ended: true } : conversation.draft;
      const entry = {
        type: /** @type {const} */ ("reply"),
        id,
        seq,
        kind,
        text,
        status,
        error,
        at: event.at,
      };
      return put({ ...conversation, draft }, entry);
    }
    case "turn":
      return withTurn(conversation, event);
    case "tool": {
      const tools = new Map(conversation.tools);
      if (event.state === "started") tools.set(event.toolUseId, event.name);
      else tools.delete(event.toolUseId);
      return { ...conversation, tools };
    }
    case "process":
      return event.state === "ended" ? { ...conversation, draft: null, tools: new Map() } : conversation;
    case "notice":
      return withNote(conversation, event);
  }
}

/**
 * Where a turn's tool calls are shown: under the message that began it.
 * @param {Conversation} conversation
 * @returns {Map<string, string>} the id of the entry, by that of the turn
 */
export function placesOfCalls({ entries }) {
  return new Map(
    entries.flatMap((entry) =>
      entry.type === "message"
        ? entry.timeline.flatMap((step) => (step.what === "turn_started" ? [[step.turnId, entry.id]] : []))
        : [],
    ),
  );
}

/**
 * Whether a message has no end yet.
 * @param {Entry} entry
 * @returns {entry is MessageEntry}
 */
export function isOpen(entry) {
  return entry.type === "message" && (entry.status === "queued" || entry.status === "sent");
}

/**
 * Whether the model works on an answer.
 * @param {Conversation} conversation
 */
export function isWorking({ entries, draft }) {
  return (
    entries.some((entry) => entry.type === "message" && entry.status === "sent") || draft?.ended === false
  );
}

/**
 * @param {Conversation} conversation
 * @param {Extract<EventView, { type: "turn" }>} event
 * @returns {Conversation}
 */
function withTurn(conversation, event) {
  const { turnId, state } = event;
  switch (state) {
    case "started":
    case "joined":
      // A chat runs one turn at a time: another's text is of one that ended unseen.
      return { ...conversation, draft: conversation.draft?.turnId === turnId ? conversation.draft : null };
    case "answered":
    case "failed":
    case "stopped":
      return withoutTurn(conversation, turnId);
    case "cut":
      return withNote(withoutTurn(conversation, turnId), { ...event, code: "turn_cut", text: "" });
  }
}

/**
 * The turn has ended: what was on its way of it is not shown any more.
 * @param {Conversation} conversation
 * @param {string} turnId
 * @returns {Conversation}
 */
function withoutTurn(conversation, turnId) {
  const { draft } = conversation;
  return { ...conversation, draft: draft?.turnId === turnId ? null : draft, tools: new Map() };
}

/**
 * What happened to the conversation, between what has been told before and what comes after.
 * @param {Conversation} conversation
 * @param {{ seq: number, at: string, code: string, text: string }} event
 * @returns {Conversation}
 */
function withNote(conversation, { seq, at, code, text }) {
  return put(conversation, {
    type: "event",
    id: `event ${seq}`,
    seq: lastSeq(conversation) + 0.5,
    code,
    text,
    at,
  });
}

/**
 * A piece replaces whatever stands from its offset on.
 * @param {Draft | null} draft
 * @param {{ turnId: string, offset: number, text: string }} piece
 * @returns {Draft}
 */
function withPiece(draft, { turnId, offset, text }) {
  const before = draft?.turnId === turnId ? draft.stretches : [];
  const kept = before
    .filter((stretch) => stretch.offset < offset)
    .map((stretch) => ({ ...stretch, text: stretch.text.slice(0, offset - stretch.offset) }));
  const last = kept.at(-1);
  const joins = last !== undefined && last.offset + last.text.length === offset;
  const stretches = joins
    ? [...kept.slice(0, -1), { ...last, text: last.text + text }]
    : [...kept, { offset, text }];
  return { turnId, stretches, ended: false };
}

/**
 * Adds an entry in its place, or replaces what was known of it.
 * @param {Conversation} conversation
 * @param {Entry} entry
 * @returns {Conversation}
 */
function put(conversation, entry) {
  const { entries, older } = conversation;
  const at = entries.findIndex(({ id }) => id === entry.id);
  const known = entries[at];
  if (known !== undefined) {
    const reopened = known.type === "message" && !isOpen(known) && isOpen(entry);
    return reopened
      ? conversation
      : { ...conversation, entries: entries.with(at, { ...entry, at: known.at }) };
  }
  // It stands on a page that is not there yet, and comes with it.
  if (older !== null && entry.seq < older) return conversation;
  const place = entries.findLastIndex(({ seq }) => seq <= entry.seq) + 1;
  return { ...conversation, entries: entries.toSpliced(place, 0, entry) };
}

/**
 * @param {HistoryEntry} entry
 * @returns {Entry}
 */
function entryOf(entry) {
  if (entry.type === "reply") {
    const { type, id, seq, kind, text, status, error, createdAt: at } = entry;
    return { type, id, seq, kind, text, status, error, at };
  }
  const { type, id, externalId, seq, text, attachments, status, ran, waiting, error } = entry;
  const { acceptedAt: at, timeline = [] } = entry;
  return { type, id, externalId, seq, text, attachments, status, ran, waiting, error, at, timeline };
}

/** @param {Conversation} conversation */
function lastSeq({ entries }) {
  return Math.floor(entries.at(-1)?.seq ?? 0);
}
