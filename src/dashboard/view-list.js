/** The list of chats. */

import { html, nothing } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { repeat } from "lit-html/directives/repeat.js";
import { addressOf, overviewAddress } from "./address.js";
import { icons } from "./icons.js";
import { deliveryWords, memoryWords, stateMeaning, timeWords } from "./words.js";

/**
 * @import { ApprovalView, ChatView, DeliveryView, HostView, PendingView } from "../views.ts"
 * @import { Chats } from "./chats.js"
 */

/**
 * @param {Chats} chats
 * @param {number | null} costToday USD; null: not known yet
 * @param {string | null} shown the chat that is shown
 * @param {{ more(): void, newChat(): void, retryReply(reply: DeliveryView): void, answer(approval: ApprovalView, how: "approve" | "deny"): void,
 *   admit(pending: PendingView): void, dismiss(pending: PendingView): void }} on
 */
export function listPane({ list, host, approvals, pending, failed, loaded }, costToday, shown, on) {
  return html`
    <nav class="pane list-pane" aria-label="Chats">
      <header class="bar">
        <p class="brand"><img src="/dashboard/icon.svg" alt="" width="24" height="24" />Switchboard</p>
        <a class="button icon-button" href=${overviewAddress} aria-label="Overview">${icons.chart}</a>
        <button type="button" class="button" @click=${on.newChat}>${icons.add}New chat</button>
      </header>
      <div class="scroll">
        ${loaded && list.chats.length === 0 ? emptyList(on.newChat) : nothing}
        <ul class="chats">
          ${repeat(
            list.chats,
            ({ chatId }) => chatId,
            (chat) => guard([chat, chat.chatId === shown], () => chatItem(chat, chat.chatId === shown)),
          )}
        </ul>
        ${list.next === null ? nothing : html`<button type="button" class="button more" @click=${on.more}>More chats</button>`}
      </div>
      ${approvals.length === 0 ? nothing : questions(approvals, on.answer)}
      ${pending.length === 0 ? nothing : strangers(pending, on)}
      ${failed.length === 0 ? nothing : failedReplies(failed, on.retryReply)}
      ${host === null ? nothing : hostLine(host, costToday)}
    </nav>
  `;
}

/**
 * @param {ChatView} chat
 * @param {boolean} current
 */
function chatItem(chat, current) {
  const { chatId, contact, state, queued, lastMessageAt } = chat;
  return html`
    <li>
      <a class="chat" href=${addressOf(chatId)} aria-current=${current ? "page" : nothing}>
        ${avatar(chat)}
        <span class="chat-name" dir="auto">${nameOf(chat)}</span>
        ${lastMessageAt === null ? nothing : html`<time class="quiet" datetime=${lastMessageAt}>${timeWords(lastMessageAt)}</time>`}
        <span class="chat-line quiet">
          ${stateBadge(state)}<span>${contact.tier}${contact.group ? ", group" : ""}</span>
        </span>
        ${queued === 0 ? nothing : html`<span class="count">${queued}<span class="hidden"> ${queued === 1 ? "message" : "messages"}</span> open</span>`}
      </a>
    </li>
  `;
}

/** @param {() => void} newChat */
function emptyList(newChat) {
  return html`
    <div class="empty">
      <p>There are no chats yet. One begins when a channel hands over its first message, or here.</p>
      <button type="button" class="button primary" @click=${newChat}>${icons.add}Begin a chat</button>
    </div>
  `;
}

/**
 * @param {readonly ApprovalView[]} approvals
 * @param {(approval: ApprovalView, how: "approve" | "deny") => void} answer
 */
function questions(approvals, answer) {
  return html`
    <section class="operator" aria-labelledby="questions-title">
      <h2 id="questions-title">Waits for your yes</h2>
      <ul>
        ${repeat(
          approvals,
          ({ id }) => id,
          (approval) => html`
            <li>
              <a href=${addressOf(approval.chatId)} dir="auto">${approval.chatId}</a>
              <span class="quiet">until ${timeWords(approval.until)}</span>
              <code class="call">${approval.tool} ${approval.input}</code>
              <button type="button" class="button small" @click=${() => answer(approval, "approve")}>Allow once</button>
              <button type="button" class="button small" @click=${() => answer(approval, "deny")}>Deny</button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

/**
 * @param {readonly PendingView[]} pending
 * @param {{ admit(pending: PendingView): void, dismiss(pending: PendingView): void }} on
 */
function strangers(pending, on) {
  return html`
    <section class="operator" aria-labelledby="pending-title">
      <h2 id="pending-title">Wants to be let in</h2>
      <ul>
        ${repeat(
          pending,
          ({ chatId }) => chatId,
          (each) => html`
            <li>
              <span dir="auto">${each.name ?? each.chatId}</span>
              <span class="quiet whole">${each.name === null ? "" : `${each.chatId}, `}${each.count === 1 ? "1 message" : `${each.count} messages`}, the last ${timeWords(each.lastAt)}</span>
              <button type="button" class="button small" @click=${() => on.admit(each)}>Let in…</button>
              <button type="button" class="button small" @click=${() => on.dismiss(each)}>Dismiss</button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

/**
 * @param {readonly DeliveryView[]} failed
 * @param {(reply: DeliveryView) => void} retry
 */
function failedReplies(failed, retry) {
  return html`
    <section class="operator" aria-labelledby="failed-title">
      <h2 id="failed-title" data-mark="failed">Not delivered</h2>
      <ul>
        ${repeat(
          failed,
          ({ id }) => id,
          (reply) => html`
            <li>
              <a href=${addressOf(reply.chatId)} dir="auto">${reply.chatId}</a>
              <span class="quiet">${deliveryWords(reply)?.text}</span>
              <button type="button" class="button small" @click=${() => retry(reply)}>Send again</button>
            </li>
          `,
        )}
      </ul>
    </section>
  `;
}

/**
 * @param {HostView} host
 * @param {number | null} costToday USD
 */
function hostLine({ upstream, processes, version }, costToday) {
  return html`
    <footer class="host quiet">
      <p>${upstreamWords(upstream)}</p>
      <p>
        ${processes.live} of ${processes.max} processes, ${memoryWords(processes.memoryBytes)} of ${memoryWords(processes.memoryBytesMax)}
        ${processes.waiting === 0 ? nothing : html` · ${processes.waiting} waiting`}
      </p>
      <p>${costToday === null ? nothing : html`<span title="Since midnight UTC, by the list of prices">Today ${costToday.toFixed(2)} USD</span> · `}version ${version}</p>
    </footer>
  `;
}

/** @param {HostView["upstream"]} upstream */
function upstreamWords(upstream) {
  switch (upstream.kind) {
    case "offline":
      return "Offline model: it repeats and remembers";
    case "direct":
      return "Claude, by a provider of its own: not metered";
    case "api":
      return `Claude, by ${upstream.baseUrl}`;
  }
}

/** @param {ChatView["state"]} state */
export function stateBadge(state) {
  return html`<span class="state" data-state=${state} title=${stateMeaning[state]}>${state}</span>`;
}

/** @param {ChatView} chat */
export function avatar(chat) {
  const letters = nameOf(chat)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .slice(0, 2)
    .map((word) => [...word][0]);
  return html`<span class="avatar" data-group=${chat.contact.group} aria-hidden="true">${letters.join("").toUpperCase() || "?"}</span>`;
}

/** @param {ChatView} chat */
export function nameOf({ chatId, contact }) {
  return contact.name ?? chatId;
}
