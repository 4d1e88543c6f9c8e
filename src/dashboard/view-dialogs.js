/** What is asked before something is done: who a chat is, whether it is to be reset, and the token. */

import { html, nothing } from "lit-html";
import { icons } from "./icons.js";
import { nameOf } from "./view-list.js";

/**
 * @import { ChatView, Contact, HostView } from "../views.ts"
 * @import { ContactPatch, Refusal } from "./api.js"
 *
 * @typedef {{ kind: "new", chatId: string, name: string } | { kind: "contact" | "allow-more", chat: ChatView } | { kind: "reset" } | { kind: "forget", name: string }} Question
 * @typedef {object} Asking
 * @property {Question} question
 * @property {Refusal | Error | null} error why the last answer was not accepted
 *
 * @typedef {object} DialogHandlers
 * @property {(chatId: string, contact: ContactPatch) => void} create
 * @property {(chatId: string, contact: ContactPatch) => void} change
 * @property {() => void} reset
 * @property {() => void} forget
 * @property {(usd: number, whose: { chatId?: string, tier?: string }) => void} allowMore
 * @property {() => void} closed
 */

/**
 * @param {Asking} asking
 * @param {HostView | null} host
 * @param {DialogHandlers} on
 */
export function dialogView({ question, error }, host, on) {
  switch (question.kind) {
    case "new":
      return dialog("New chat", on, contactForm(question, null, error, host, on));
    case "allow-more":
      return dialog("Allow more today", on, budgetForm(question.chat, error, on));
    case "contact":
      return dialog(
        nameOf(question.chat),
        on,
        contactForm(
          { chatId: question.chat.chatId, name: question.chat.contact.name ?? "" },
          question.chat,
          error,
          host,
          on,
        ),
      );
    case "reset":
      return dialog(
        "Reset this chat?",
        on,
        confirmation(
          `Whatever runs or waits is stopped, and the next message begins a new conversation, which remembers nothing
           of this one. This one is kept, and can be brought back.`,
          "Reset",
          on.reset,
        ),
      );
    case "forget":
      return dialog(
        `Forget ${question.name}?`,
        on,
        confirmation(
          `Whatever runs or waits is stopped. Messages, replies, conversation and files are deleted, and cannot be
           brought back. What comes later is a new chat's.`,
          "Delete everything",
          on.forget,
        ),
      );
  }
}

/**
 * @param {string} text
 * @param {string} name of the button
 * @param {() => void} act
 */
function confirmation(text, name, act) {
  const confirm = (/** @type {Event} */ event) => {
    close(event);
    act();
  };
  return html`
    <p>${text}</p>
    <p class="choices">
      <button type="button" class="button" @click=${close}>Cancel</button>
      <button type="button" class="button danger" @click=${confirm}>${name}</button>
    </p>
  `;
}

/**
 * The page without a token, or with one that is refused.
 * @param {string | null} problem
 * @param {(token: string) => void} enter
 */
export function tokenForm(problem, enter) {
  const take = (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    enter(String(new FormData(event.currentTarget).get("token")).trim());
  };
  return html`
    <main class="token-page">
      <form class="card" @submit=${take} aria-labelledby="token-title">
        <img src="/dashboard/icon.svg" alt="" width="40" height="40" />
        <h1 id="token-title">Switchboard</h1>
        <p>
          The dashboard asks for the daemon's token. The link that <code>./switchboard start</code> prints brings it
          along; it also stands in the file <code>token</code> in the daemon's home.
        </p>
        <div class="field">
          <label for="token">Token</label>
          <input
            id="token"
            name="token"
            type="password"
            required
            autocomplete="off"
            aria-describedby=${problem === null ? nothing : "token-problem"}
            aria-invalid=${problem === null ? nothing : "true"}
          />
          ${problem === null ? nothing : html`<p class="problem" id="token-problem" role="alert">${icons.failed}${problem}</p>`}
        </div>
        <button type="submit" class="button primary">Open</button>
      </form>
    </main>
  `;
}

/**
 * @param {string} title
 * @param {DialogHandlers} on
 * @param {...unknown} content
 */
function dialog(title, on, ...content) {
  return html`
    <dialog aria-labelledby="dialog-title" @close=${on.closed}>
      <div class="dialog-head">
        <h2 id="dialog-title" dir="auto">${title}</h2>
        <button type="button" class="button icon-button" aria-label="Close" @click=${close}>${icons.close}</button>
      </div>
      ${content}
    </dialog>
  `;
}

/**
 * @param {{ chatId: string, name: string }} known
 * @param {ChatView | null} chat null: a new one
 * @param {Refusal | Error | null} error
 * @param {HostView | null} host
 * @param {DialogHandlers} on
 */
function contactForm({ chatId, name }, chat, error, host, on) {
  const field = error !== null && "field" in error ? error.field : undefined;
  const fields = ["chatId", "contact.name", "contact.tier", "contact.queueMode"];
  const problemOf = (/** @type {string} */ name) => (error !== null && field === name ? error : null);
  const tiers = [...(host?.tiers ?? []), "unknown"];
  const send = (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const called = String(data.get("name")).trim();
    const contact = {
      name: called === "" ? null : called,
      tier: String(data.get("tier")),
      group: data.get("group") !== null,
      queueMode: queueModeOf(String(data.get("queueMode"))),
    };
    if (chat === null) on.create(String(data.get("chatId")).trim(), contact);
    else on.change(chat.chatId, contact);
  };
  return html`
    <form @submit=${send} novalidate>
      ${
        chat === null
          ? labelled(
              "chatId",
              "Chat id",
              "As its channel names it, for example telegram:12345",
              problemOf("chatId"),
              (/** @type {string} */ described, /** @type {boolean} */ invalid) => html`
                <input id="field-chatId" name="chatId" autofocus value=${chatId} autocomplete="off" autocapitalize="none" spellcheck="false"
                  aria-describedby=${described} aria-invalid=${invalid ? "true" : nothing} />
              `,
            )
          : nothing
      }
      ${labelled(
        "contact.name",
        "Name",
        "May be left empty",
        problemOf("contact.name"),
        (/** @type {string} */ described, /** @type {boolean} */ invalid) => html`
          <input id="field-contact.name" name="name" autocomplete="off" value=${name}
            aria-describedby=${described} aria-invalid=${invalid ? "true" : nothing} />
        `,
      )}
      ${labelled(
        "contact.tier",
        "Tier",
        "What Claude may do for this contact: from admin (everything) to bots (no tools); unknown is refused",
        problemOf("contact.tier"),
        (/** @type {string} */ described, /** @type {boolean} */ invalid) => html`
          <select id="field-contact.tier" name="tier" aria-describedby=${described} aria-invalid=${invalid ? "true" : nothing}>
            ${chat === null ? html`<option value="">Choose…</option>` : nothing}
            ${tiers.map((tier) => html`<option ?selected=${tier === chat?.contact.tier}>${tier}</option>`)}
          </select>
        `,
      )}
      ${labelled(
        "contact.queueMode",
        "While Claude works",
        "What becomes of a message that comes then",
        problemOf("contact.queueMode"),
        (/** @type {string} */ described, /** @type {boolean} */ invalid) => html`
          <select id="field-contact.queueMode" name="queueMode" aria-describedby=${described} aria-invalid=${invalid ? "true" : nothing}>
            <option value="">As the tier says</option>
            ${Object.entries(queueModes).map(([mode, meaning]) => html`<option value=${mode} ?selected=${mode === chat?.contact.queueMode}>${meaning}</option>`)}
          </select>
        `,
      )}
      <label class="check">
        <input type="checkbox" name="group" ?checked=${chat?.contact.group === true} />Several people speak in this chat
      </label>
      ${error !== null && !fields.includes(field ?? "") ? html`<p class="problem" role="alert">${icons.failed}${wordsOf(error)}</p>` : nothing}
      <p class="choices">
        <button type="button" class="button" @click=${close}>Cancel</button>
        <button type="submit" class="button primary">${chat === null ? "Begin" : "Save"}</button>
      </p>
    </form>
  `;
}

/**
 * @param {ChatView} chat
 * @param {Refusal | Error | null} error
 * @param {DialogHandlers} on
 */
function budgetForm({ chatId, contact: { tier } }, error, on) {
  const send = (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const whose = { chat: { chatId }, tier: { tier }, all: {} }[String(data.get("whose"))] ?? {};
    on.allowMore(Number(data.get("usd")), whose);
  };
  return html`
    <form @submit=${send} novalidate>
      <p>It holds for this day (UTC). What waits for its budget goes on at once.</p>
      ${labelled(
        "usd",
        "USD",
        "On top of what the budget allows",
        error !== null && "field" in error && error.field === "usd" ? error : null,
        (described, invalid) => html`
          <input id="field-usd" name="usd" type="number" min="0" step="any" autofocus autocomplete="off"
            aria-describedby=${described} aria-invalid=${invalid ? "true" : nothing} />
        `,
      )}
      ${labelled(
        "whose",
        "For",
        "The budget that is used up: the chat's notice says which",
        null,
        (described) => html`
          <select id="field-whose" name="whose" aria-describedby=${described}>
            <option value="chat">This chat</option>
            <option value="tier">All chats of the tier ${tier}</option>
            <option value="all">All chats</option>
          </select>
        `,
      )}
      ${error !== null && !("field" in error && error.field === "usd") ? html`<p class="problem" role="alert">${icons.failed}${wordsOf(error)}</p>` : nothing}
      <p class="choices">
        <button type="button" class="button" @click=${close}>Cancel</button>
        <button type="submit" class="button primary">Allow</button>
      </p>
    </form>
  `;
}

/** @type {Record<NonNullable<Contact["queueMode"]>, string>} */
const queueModes = {
  steer: "It joins the running turn",
  queue: "It waits for a turn of its own",
  collect: "It waits for a turn with all that come shortly",
  interrupt: "It stops the running turn",
};

/**
 * @param {string} value of the field; empty: as the tier says
 * @returns {Contact["queueMode"]}
 */
function queueModeOf(value) {
  return value === "steer" || value === "queue" || value === "collect" || value === "interrupt"
    ? value
    : null;
}

/**
 * @param {string} field
 * @param {string} label
 * @param {string} hint
 * @param {Error | null} problem
 * @param {(describedBy: string, invalid: boolean) => unknown} input
 */
function labelled(field, label, hint, problem, input) {
  const described = `hint-${field}${problem === null ? "" : ` problem-${field}`}`;
  return html`
    <div class="field">
      <label for=${`field-${field}`}>${label}</label>
      ${input(described, problem !== null)}
      <p class="quiet" id=${`hint-${field}`}>${hint}</p>
      ${problem === null ? nothing : html`<p class="problem" id=${`problem-${field}`} role="alert">${icons.failed}${wordsOf(problem)}</p>`}
    </div>
  `;
}

/** @param {Error | Refusal} error */
function wordsOf(error) {
  const message =
    "field" in error && error.field ? error.message.replace(`${error.field}: `, "") : error.message;
  return "hint" in error && error.hint ? `${message}. ${error.hint}` : message;
}

/** @param {Event} event */
function close(event) {
  if (event.target instanceof Element) event.target.closest("dialog")?.close();
}
