/**
 * The dashboard behind a token: `Chats` and `OpenChat` keep what the daemon tells, `Outbox` what it has not been
 * told yet. Here they meet, with what belongs to the page alone: what is being written, what is asked, where the
 * reader has scrolled to and where the focus goes.
 */

import { html, nothing, render } from "lit-html";
import { addressOf } from "./address.js";
import { Refusal } from "./api.js";
import { Chats } from "./chats.js";
import { OpenChat } from "./open-chat.js";
import { Outbox } from "./outbox.js";
import { Overview } from "./overview.js";
import { chatPane } from "./view-chat.js";
import { dialogView } from "./view-dialogs.js";
import { listPane, nameOf } from "./view-list.js";
import { overviewPane } from "./view-overview.js";
import { troubleWords } from "./words.js";

/**
 * @import { ApprovalView, ChatView, DeliveryView, PendingView } from "../views.ts"
 * @import { Place } from "./address.js"
 * @import { Api, ContactPatch } from "./api.js"
 * @import { Asking, Question } from "./view-dialogs.js"
 *
 * @typedef {object} Page
 * @property {() => void} changed there is something to draw
 * @property {() => void} tokenRefused
 */

/** px from the end of the conversation within which the reader counts as being there. */
const nearEnd = 48;

export class Dashboard {
  #api;
  #page;
  #chats;
  #outbox;
  /** @type {OpenChat | null} */
  #open = null;
  /** @type {Asking | null} */
  #asking = null;
  /** @type {Map<string, string>} what is being written, by chat */
  #texts = new Map();
  /** The last finished reply, for those who listen to the page. */
  #announcement = "";
  #atEnd = true;
  /** On a phone the list is another page. */
  #showsOverview = false;
  #overview;
  /** @type {string | null} what gets the focus when it is drawn */
  #focus = null;

  /**
   * @param {Api} api
   * @param {Page} page
   */
  constructor(api, page) {
    this.#api = api;
    this.#page = page;
    this.#overview = new Overview(api, page.changed);
    this.#chats = new Chats(api, {
      changed: page.changed,
      happened: (event) => this.#overview.happened(event),
      reconnected: () => this.#overview.reconnected(),
      refused: (refusal) => this.#refused(refusal),
    });
    this.#outbox = new Outbox({
      send: (chatId, message) => api.send(chatId, message),
      changed: page.changed,
    });
  }

  begin() {
    this.#chats.begin();
    void this.#overview.begin();
  }

  end() {
    this.#chats.end();
    this.#overview.end();
    this.#open?.end();
  }

  /** @param {Exclude<Place, { kind: "token" }>} place */
  show(place) {
    const chatId = place.kind === "chat" ? place.chatId : null;
    const before = this.#open;
    const wasOverview = this.#showsOverview;
    this.#showsOverview = place.kind === "overview";
    if (this.#showsOverview && !wasOverview) this.#focus = "#overview-title";
    if ((before?.chatId ?? null) === chatId) return;
    before?.end();
    this.#open = chatId === null ? null : this.#opened(chatId);
    this.#atEnd = true;
    this.#announcement = "";
    // Whoever reads by touch wants no keyboard yet; whoever goes back wants to be where they were.
    const writes = !matchMedia("(pointer: coarse)").matches;
    if (this.#showsOverview) return;
    this.#focus =
      chatId !== null
        ? writes
          ? "#composer"
          : "#chat-title"
        : before && `a[href="${CSS.escape(addressOf(before.chatId))}"]`;
  }

  /** @param {HTMLElement} root */
  draw(root) {
    const open = this.#open;
    const chatId = open?.chatId ?? null;
    const chat = chatId === null ? null : (this.#chats.of(chatId) ?? null);
    document.title =
      chatId === null ? "Switchboard" : `${chat === null ? chatId : nameOf(chat)} · Switchboard`;
    const connected = this.#chats.connected && open?.connected !== false;
    const { trouble = null, config } = this.#chats.host ?? {};
    const refused = config?.refused ?? null;
    render(
      html`
        <main class="page" data-pane=${open === null && !this.#showsOverview ? "list" : "chat"}>
          <h1 class="hidden">Switchboard</h1>
          <div class="connection" role="status">
            ${connected ? nothing : html`<p>Disconnected from the daemon. Trying again…</p>`}
            ${connected && trouble !== null ? html`<p>${troubleWords(trouble)}</p>` : nothing}
            ${connected && refused !== null ? html`<p>The changed config is not in force: ${refused.message}</p>` : nothing}
          </div>
          ${listPane(this.#chats, this.#overview.view?.today.costUsd ?? null, chatId, {
            more: () => this.#chats.more(),
            newChat: () => this.#ask({ kind: "new", chatId: "", name: "" }),
            retryReply: (reply) => void this.#retryReply(reply),
            answer: (approval, how) => void this.#decide(approval, how),
            admit: ({ chatId, name }) => this.#ask({ kind: "new", chatId, name: name ?? "" }),
            dismiss: (pending) => void this.#dismiss(pending),
          })}
          ${open === null ? overviewPane(this.#overview, this.#chats.host, (id) => this.#nameOf(id)) : this.#chatPane(open, chat)}
          <div class="hidden" aria-live="polite" id="announcer">${this.#announcement}</div>
        </main>
        ${
          this.#asking === null
            ? nothing
            : dialogView(this.#asking, this.#chats.host, {
                create: (id, contact) => void this.#create(id, contact),
                change: (id, contact) => void this.#change(id, contact),
                reset: () => void this.#open?.act("reset"),
                forget: () => void this.#forget(),
                allowMore: (usd, whose) => void this.#allowMore(usd, whose),
                closed: () => {
                  this.#asking = null;
                  this.#page.changed();
                },
              })
        }
      `,
      root,
    );
    this.#afterDrawing(root);
  }

  /**
   * @param {OpenChat} open
   * @param {ChatView | null} chat null while it is not known
   */
  #chatPane(open, chat) {
    const { chatId } = open;
    return chatPane(
      {
        open,
        chat,
        outgoing: this.#outbox.of(chatId),
        text: this.#texts.get(chatId) ?? "",
        away: !this.#atEnd,
      },
      {
        act: (action) => void open.act(action),
        reset: () => this.#ask({ kind: "reset" }),
        forget: () => this.#ask({ kind: "forget", name: chat === null ? chatId : nameOf(chat) }),
        details: () => this.#toggleDetails(open),
        contact: () =>
          this.#ask(chat === null ? { kind: "new", chatId, name: "" } : { kind: "contact", chat }),
        allowMore: () => chat !== null && this.#ask({ kind: "allow-more", chat }),
        older: () => void this.#older(open),
        dismiss: () => open.dismiss(),
        toEnd: () => this.#goToEnd(),
        scrolled: () => this.#scrolled(),
        write: (text) => {
          open.writing();
          this.#write(chatId, text);
        },
        retryReply: (replyId) => void open.retryReply(replyId),
        send: () => this.#send(chatId),
        retry: (message) => this.#outbox.retry(message),
        edit: (message) => {
          this.#outbox.remove(message.id);
          const begun = this.#texts.get(chatId) ?? "";
          this.#write(chatId, begun === "" ? message.text : `${message.text}\n${begun}`);
          this.#focus = "#composer";
        },
      },
    );
  }

  /** @param {string} chatId */
  #nameOf(chatId) {
    const chat = this.#chats.of(chatId);
    return chat === undefined ? chatId : nameOf(chat);
  }

  /** @param {OpenChat} open */
  #toggleDetails(open) {
    if (open.details === null) void open.showDetails();
    else open.hideDetails();
    this.#focus = "#details";
    this.#page.changed();
  }

  async #forget() {
    const open = this.#open;
    if (open === null || !(await open.forget())) return;
    this.#chats.touch(open.chatId);
    location.hash = "";
  }

  /** @param {DeliveryView} reply */
  async #retryReply({ id, chatId }) {
    // One that somebody else has had sent again is gone from the list all the same.
    await this.#api.retryReply(id).catch(() => {});
    this.#chats.touch(chatId);
  }

  /**
   * @param {ApprovalView} approval
   * @param {"approve" | "deny"} how
   */
  async #decide({ id, chatId }, how) {
    // One that somebody else has answered, or whose time is over, is gone from the list all the same.
    await this.#api.answer(id, how).catch(() => {});
    this.#chats.touch(chatId);
  }

  /** @param {PendingView} pending */
  async #dismiss({ chatId }) {
    // One that somebody else has let in or sent away is gone from the list all the same.
    await this.#api.dismiss(chatId).catch(() => {});
    await this.#chats.lookAround();
  }

  /**
   * @param {number} usd
   * @param {{ chatId?: string, tier?: string }} whose
   */
  async #allowMore(usd, whose) {
    await this.#answer(async () => {
      const { usd: allowed } = await this.#api.allowMore(usd, whose);
      return () => {
        if (this.#open !== null)
          this.#open.note = { tone: "done", text: `${allowed} USD more may be spent today.`, undo: false };
        this.#page.changed();
      };
    });
  }

  /** @param {string} chatId */
  #opened(chatId) {
    const open = new OpenChat(this.#api, chatId, {
      changed: this.#page.changed,
      accepted: (externalId) => this.#outbox.remove(externalId),
      replied: (text) => {
        this.#announcement = text;
      },
      acted: () => this.#chats.touch(chatId),
      refused: (refusal) => this.#refused(refusal),
    });
    open.begin();
    if (this.#chats.of(chatId) === undefined) this.#chats.touch(chatId);
    return open;
  }

  /**
   * @param {string} chatId
   * @param {string} text
   */
  #write(chatId, text) {
    this.#texts.set(chatId, text);
    this.#page.changed();
  }

  /** @param {string} chatId */
  #send(chatId) {
    const text = this.#texts.get(chatId) ?? "";
    if (text.trim() === "") return;
    this.#texts.delete(chatId);
    this.#atEnd = true;
    this.#outbox.add(chatId, text);
  }

  /** @param {Question} question */
  #ask(question) {
    this.#asking = { question, error: null };
    this.#page.changed();
  }

  /**
   * @param {string} chatId
   * @param {ContactPatch} contact
   */
  async #create(chatId, contact) {
    await this.#answer(async () => {
      if (await this.#exists(chatId)) {
        throw new Refusal(409, {
          code: "conflict",
          message: "chatId: there is a chat of this name already",
          field: "chatId",
        });
      }
      this.#chats.put(await this.#api.putChat(chatId, contact));
      await this.#chats.lookAround();
      return () => {
        location.hash = addressOf(chatId);
      };
    });
  }

  /**
   * @param {string} chatId
   * @param {ContactPatch} contact
   */
  async #change(chatId, contact) {
    await this.#answer(async () => {
      this.#chats.put(await this.#api.putChat(chatId, contact));
      return () => {};
    });
  }

  /**
   * Closes the dialog when what it asked for is done, or shows in it why it is not.
   * @param {() => Promise<() => void>} act resolves with what comes after the closing
   */
  async #answer(act) {
    const asking = this.#asking;
    if (asking === null) return;
    try {
      const then = await act();
      document.querySelector("dialog")?.close();
      then();
    } catch (error) {
      if (this.#asking?.question !== asking.question) return;
      this.#asking = { ...asking, error: error instanceof Error ? error : new Error(String(error)) };
      this.#focus = 'dialog [aria-invalid="true"]';
      this.#page.changed();
    }
  }

  /** @param {string} chatId */
  async #exists(chatId) {
    try {
      await this.#api.chat(chatId);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return false;
      throw error;
    }
  }

  /** @param {Refusal} refusal */
  #refused(refusal) {
    if (refusal.status === 401) return this.#page.tokenRefused();
    if (this.#open !== null) this.#open.note = { tone: "failed", text: refusal.message, undo: false };
    this.#page.changed();
  }

  // The page as it was drawn

  /** @param {HTMLElement} root */
  #afterDrawing(root) {
    if (this.#atEnd) this.#toEnd();
    for (const dialog of root.querySelectorAll("dialog:not([open])")) {
      if (dialog instanceof HTMLDialogElement) dialog.showModal();
    }
    if (this.#focus === null) return;
    const target = root.querySelector(this.#focus);
    this.#focus = null;
    if (target instanceof HTMLElement) target.focus();
  }

  #scrolled() {
    const scroller = document.getElementById("scroller");
    if (scroller === null) return;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < nearEnd;
    if (atEnd === this.#atEnd) return;
    this.#atEnd = atEnd;
    this.#page.changed();
  }

  #goToEnd() {
    this.#atEnd = true;
    this.#focus = "#scroller";
    this.#page.changed();
  }

  #toEnd() {
    const scroller = document.getElementById("scroller");
    if (scroller !== null) scroller.scrollTop = scroller.scrollHeight;
  }

  /**
   * What the reader looks at stays where it is while older entries come in above it.
   * @param {OpenChat} open
   */
  async #older(open) {
    await open.older();
    const scroller = document.getElementById("scroller");
    if (scroller === null) return;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    requestAnimationFrame(() => {
      scroller.scrollTop = scroller.scrollHeight - fromEnd;
    });
  }
}
