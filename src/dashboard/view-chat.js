/** The pane to talk in: who it is, the conversation, what the last action did, and where one writes. */

import { html, nothing } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { live } from "lit-html/directives/live.js";
import { repeat } from "lit-html/directives/repeat.js";
import { isOpen, isWorking, placesOfCalls } from "./conversation.js";
import { icons } from "./icons.js";
import { detailsPane } from "./view-details.js";
import { avatar, nameOf, stateBadge } from "./view-list.js";
import { callsView, timelineView } from "./view-timeline.js";
import { deliveryWords, heldWords, messageWords, noticeWords, timeWords } from "./words.js";

/**
 * @import { ChatView } from "../views.ts"
 * @import { Action } from "./api.js"
 * @import { Conversation, Entry } from "./conversation.js"
 * @import { Note, OpenChat } from "./open-chat.js"
 * @import { Outgoing } from "./outbox.js"
 *
 * @typedef {object} ChatPane
 * @property {OpenChat} open
 * @property {ChatView | null} chat null while it is not known
 * @property {readonly Outgoing[]} outgoing
 * @property {string} text what stands in the field
 * @property {boolean} away whether the reader has scrolled away from the end
 *
 * @typedef {object} ChatHandlers
 * @property {(action: Action) => void} act
 * @property {() => void} reset asks first
 * @property {() => void} forget asks first
 * @property {() => void} contact
 * @property {() => void} details shows what stands behind the chat, or no longer
 * @property {() => void} allowMore
 * @property {() => void} older
 * @property {() => void} dismiss
 * @property {() => void} toEnd
 * @property {() => void} scrolled
 * @property {(text: string) => void} write
 * @property {() => void} send
 * @property {(message: Outgoing) => void} retry
 * @property {(message: Outgoing) => void} edit
 * @property {(replyId: string) => void} retryReply
 */

/**
 * @param {ChatPane} pane
 * @param {ChatHandlers} on
 */
export function chatPane({ open, chat, outgoing, text, away }, on) {
  const name = chat === null ? open.chatId : nameOf(chat);
  const held = chat === null ? null : heldWords(chat);
  const working = open.conversation.entries.some(isOpen);
  const places = placesOfCalls(open.conversation);
  return html`
    <section class="pane chat-pane" aria-labelledby="chat-title">
      <header class="bar">
        <a class="button icon-button back" href="#" aria-label="All chats">${icons.back}</a>
        ${chat === null ? nothing : avatar(chat)}
        <div class="who">
          <h2 id="chat-title" tabindex="-1" dir="auto">${name}</h2>
          ${chat === null ? nothing : whoLine(chat)}
        </div>
        <button type="button" class="button stop" ?disabled=${!working} @click=${() => on.act("stop")}>
          ${icons.stopped}Stop
        </button>
        <button type="button" class="button icon-button" id="details" aria-label="Details" aria-pressed=${open.details !== null} @click=${on.details}>
          ${icons.details}
        </button>
        <button type="button" class="button icon-button" id="actions" popovertarget="action-menu" aria-label="Actions">
          ${icons.more}
        </button>
        ${actionMenu(on)}
      </header>
      ${held === null ? nothing : html`<p class="held">${icons.waiting}<span>${held}</span></p>`}
      <div class="scroll" id="scroller" tabindex="0" role="log" aria-live="off" aria-label="Conversation" @scroll=${on.scrolled}>
        <div class="conversation">
          ${open.conversation.older === null ? nothing : html`<button type="button" class="button more" @click=${on.older}>Earlier messages</button>`}
          ${open.loaded && open.conversation.entries.length + outgoing.length === 0 ? html`<p class="empty">${open.missing ? "There is no chat of this name yet. Begin it by Actions, Contact." : "Nothing has been said yet."}</p>` : nothing}
          ${repeat(
            open.conversation.entries,
            ({ id }) => id,
            (entry) => {
              const turns = [...places].flatMap(([turnId, id]) => (id === entry.id ? [turnId] : []));
              return guard([entry, turns.join()], () => entryView(entry, turns, on));
            },
          )}
          ${draftView(open.conversation)}
          ${repeat(
            outgoing,
            ({ id }) => id,
            (message) => outgoingView(message, on),
          )}
        </div>
      </div>
      ${away ? html`<button type="button" class="button to-end" @click=${on.toEnd}>${icons.down}Latest</button>` : nothing}
      <div class="note-place" role="status">${open.note === null ? nothing : noteView(open.note, on)}</div>
      <form class="composer" @submit=${submit(on.send)}>
        <label class="hidden" for="composer">Message to ${name}</label>
        <textarea
          id="composer"
          rows="1"
          dir="auto"
          placeholder="Message"
          enterkeyhint="send"
          autocomplete="off"
          .value=${live(text)}
          @input=${(/** @type {InputEvent & { target: HTMLTextAreaElement }} */ event) => on.write(event.target.value)}
          @keydown=${(/** @type {KeyboardEvent} */ event) => sendByKey(event, on.send)}
        ></textarea>
        <button type="submit" class="button primary icon-button" aria-label="Send" ?disabled=${text.trim() === ""}>
          ${icons.send}
        </button>
      </form>
      ${open.details === null || chat === null ? nothing : detailsPane(chat, open.details, on.details)}
    </section>
  `;
}

/** @param {ChatView} chat */
function whoLine({ chatId, contact, state }) {
  return html`
    <p class="quiet who-line">
      ${stateBadge(state)}<span>${contact.tier}${contact.group ? ", group" : ""}</span>
      ${contact.name === null ? nothing : html`<span class="chat-id">${chatId}</span>`}
    </p>
  `;
}

/** @param {ChatHandlers} on */
function actionMenu(on) {
  const item = (
    /** @type {string} */ name,
    /** @type {string} */ meaning,
    /** @type {() => void} */ act,
  ) => html`
    <li>
      <button type="button" @click=${choose(act)}>
        <span>${name}</span><span class="quiet">${meaning}</span>
      </button>
    </li>
  `;
  return html`
    <ul class="menu" id="action-menu" popover>
      ${item("Allow more…", "Raise today's budget", on.allowMore)}
      ${item("Contact…", "Name, tier, and what a message does while Claude works", on.contact)}
      ${item("Close", "End its process; the conversation stays", () => on.act("close"))}
      ${item("Restart", "A new process for the same conversation", () => on.act("restart"))}
      ${item("Reset…", "Stop, and begin a new conversation", on.reset)}
      ${item("Undo reset", "Bring the conversation before it back", () => on.act("undo-reset"))}
      ${item("Forget…", "Delete everything that is known of this chat", on.forget)}
    </ul>
  `;
}

/**
 * The menu closes first: the focus goes back to its button, where a dialog finds it and brings it back to.
 * @param {() => void} act
 */
function choose(act) {
  return () => {
    document.getElementById("action-menu")?.hidePopover();
    act();
  };
}

/**
 * @param {Entry} entry
 * @param {readonly string[]} turns whose tool calls are shown under it
 * @param {ChatHandlers} on
 */
function entryView(entry, turns, on) {
  if (entry.type === "event") return html`<p class="line quiet">${noticeWords(entry)}</p>`;
  if (entry.type === "reply") return replyView(entry, on);
  const { mark, text } = messageWords(entry);
  const summary = html`
    <span class="below" data-mark=${mark}>
      <time datetime=${entry.at}>${timeWords(entry.at)}</time><span class="status">${icons[mark]}<span>${text}</span></span>
    </span>
  `;
  const calls = entry.timeline.flatMap((step) =>
    step.what === "tool" && turns.includes(step.turnId) ? [step] : [],
  );
  return html`
    <article class="message theirs" aria-label="Message" data-id=${entry.id}>
      <p class="bubble" dir="auto">${entry.text}${entry.attachments.map(fileView)}</p>
      ${timelineView(summary, entry.timeline)}
    </article>
    ${callsView(calls)}
  `;
}

/**
 * A file that came with a message. Its content is not kept.
 * @param {Extract<Entry, { type: "message" }>["attachments"][number]} file
 */
function fileView({ name, type, bytes }) {
  return html`<span class="file" title=${`${type}, ${bytes} bytes`}>${name}</span>`;
}

/**
 * @param {Extract<Entry, { type: "reply" }>} reply
 * @param {ChatHandlers} on
 */
function replyView({ id, kind, text, status, error, at }, on) {
  const notice = kind === "notice";
  const delivery = deliveryWords({ status, error });
  return html`
    <article class="message ${kind}" aria-label=${notice ? "Notice" : "Answer"} data-id=${id}>
      <p class="bubble" dir="auto">${notice ? icons.failed : nothing}${text}</p>
      <p class="below">
        ${notice ? html`<span>Notice from Switchboard</span>` : nothing}<time datetime=${at}>${timeWords(at)}</time>
      </p>
      ${
        delivery === null
          ? nothing
          : html`<p class="below" data-mark=${delivery.mark}>
              <span class="status">${icons[delivery.mark]}<span>${delivery.text}</span></span>
              ${delivery.mark === "failed" ? html`<button type="button" class="button small" @click=${() => on.retryReply(id)}>Send again</button>` : nothing}
            </p>`
      }
    </article>
  `;
}

/** @param {Conversation} conversation */
function draftView(conversation) {
  if (!isWorking(conversation)) return nothing;
  const { draft, tools } = conversation;
  const text = (draft?.ended === false ? draft.stretches : [])
    .map(({ offset, text }, i) => (i > 0 || offset > 0 ? ` … ${text}` : text))
    .join("");
  return html`
    <article class="message answer draft" aria-label="Answer being written">
      <p class="bubble" dir="auto">${text === "" ? html`<span class="dots"><i></i><i></i><i></i><span class="hidden">Claude is working</span></span>` : text}</p>
      ${[...new Set(tools.values())].map((name) => html`<p class="below tool">${icons.tool}uses ${name}</p>`)}
    </article>
  `;
}

/**
 * @param {Outgoing} message
 * @param {ChatHandlers} on
 */
function outgoingView(message, on) {
  const { text, state, refusal } = message;
  const words = {
    sending: "sending",
    retrying: "not sent yet: the daemon does not answer; it is tried again",
    refused: `not sent: ${refusal?.message ?? "refused"}`,
  };
  return html`
    <article class="message theirs outgoing" aria-label="Message that is not sent yet">
      <p class="bubble" dir="auto">${text}</p>
      <p class="below" data-mark=${state === "refused" ? "failed" : "waiting"}>
        <span class="status" role="status">${state === "refused" ? icons.failed : icons.waiting}<span>${words[state]}${refusal?.hint === undefined ? "" : `. ${refusal.hint}`}</span></span>
      </p>
      ${
        state === "refused"
          ? html`<p class="choices">
              <button type="button" class="button small" @click=${() => on.retry(message)}>Send again</button>
              <button type="button" class="button small" @click=${() => on.edit(message)}>Edit</button>
            </p>`
          : nothing
      }
    </article>
  `;
}

/**
 * @param {Note} note
 * @param {ChatHandlers} on
 */
function noteView({ tone, text, undo }, on) {
  return html`
    <p class="note" data-tone=${tone}>
      <span>${text}</span>
      ${undo ? html`<button type="button" class="button small" @click=${() => on.act("undo-reset")}>Undo</button>` : nothing}
      <button type="button" class="button icon-button small" aria-label="Dismiss" @click=${on.dismiss}>${icons.close}</button>
    </p>
  `;
}

/**
 * Enter sends, but not on a touch keyboard, where it is the only way to a new line, and not while it chooses a word.
 * @param {KeyboardEvent} event
 * @param {() => void} send
 */
function sendByKey(event, send) {
  // 229: Safari ends the composition before it tells of the key that ended it.
  const chooses = event.isComposing || event.keyCode === 229;
  if (event.key !== "Enter" || event.shiftKey || chooses || matchMedia("(pointer: coarse)").matches) return;
  event.preventDefault();
  send();
}

/** @param {() => void} act */
function submit(act) {
  return (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    act();
  };
}
