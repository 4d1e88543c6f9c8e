/** What stands behind a chat: its state, what it has cost, and every process that it had. */

import { html, nothing } from "lit-html";
import { icons } from "./icons.js";
import { stateBadge } from "./view-list.js";
import { durationWords, memoryWords, moneyWords, stateMeaning, timeWords } from "./words.js";

/**
 * @import { ChatView, RunView, SpendingView } from "../views.ts"
 * @import { Details } from "./open-chat.js"
 */

/**
 * @param {ChatView} chat
 * @param {Details | null} details null: not read yet
 * @param {() => void} close
 */
export function detailsPane(chat, details, close) {
  return html`
    <aside class="details" aria-labelledby="details-title">
      <div class="dialog-head">
        <h3 id="details-title">Behind this chat</h3>
        <button type="button" class="button icon-button small" aria-label="Close details" @click=${close}>${icons.close}</button>
      </div>
      <p>${stateBadge(chat.state)} <span class="quiet">${stateMeaning[chat.state]}</span></p>
      ${factList([
        ["Chat id", chat.chatId],
        ["Session", chat.sessionName],
        ["Session id", chat.sessionId ?? "not yet"],
        ["Process", chat.process === null ? "none" : processWords(chat.process)],
        ["Since", timeWords(chat.createdAt)],
        ["Turns", String(chat.usage.turns)],
        [
          "Tokens",
          `${chat.usage.inputTokens.toLocaleString()} in, ${chat.usage.outputTokens.toLocaleString()} out`,
        ],
        ["Cost", moneyWords(chat.usage.costUsd)],
      ])}
      <h3>Cost by day (UTC)</h3>
      ${details === null ? nothing : days(details.usage)}
      <h3>Processes</h3>
      ${details === null ? nothing : runs(details.processes)}
    </aside>
  `;
}

/** @param {readonly SpendingView[]} usage */
function days(usage) {
  if (usage.length === 0) return html`<p class="quiet">It has cost nothing in the last 30 days.</p>`;
  const byDay = [...Map.groupBy(usage, ({ day }) => day)];
  return html`
    <table>
      <thead><tr><th scope="col">Day</th><th scope="col" class="number">Requests</th><th scope="col" class="number">Tokens</th><th scope="col" class="number">USD</th></tr></thead>
      <tbody>
        ${byDay.map(([day, rows]) => {
          const sum = (/** @type {(row: SpendingView) => number} */ of) =>
            rows.reduce((total, row) => total + of(row), 0);
          const tokens = sum(
            (row) => row.inputTokens + row.outputTokens + row.cacheWriteTokens + row.cacheReadTokens,
          );
          return html`<tr><td>${day}</td><td class="number">${sum(({ requests }) => requests)}</td><td class="number">${tokens.toLocaleString()}</td><td class="number">${sum(({ costUsd }) => costUsd).toFixed(4)}</td></tr>`;
        })}
      </tbody>
    </table>
  `;
}

/** @param {readonly RunView[]} processes */
function runs(processes) {
  if (processes.length === 0) return html`<p class="quiet">It has had none yet.</p>`;
  return html`
    <ol class="runs">
      ${processes.map(
        ({ generation, pid, startedAt, endedAt, startReason, endReason }) => html`
          <li>
            <p><strong>${generation}</strong> <span class="quiet">${pid === null ? "" : `pid ${pid}, `}${timeWords(startedAt)}${endedAt === null ? "" : `, ${durationWords(Date.parse(endedAt) - Date.parse(startedAt))}`}</span></p>
            <p class="quiet">started: ${startReason}</p>
            <p class="quiet">${endedAt === null ? "it lives" : `ended: ${endReason}`}</p>
          </li>
        `,
      )}
    </ol>
  `;
}

/** @param {Array<[name: string, value: string]>} rows */
function factList(rows) {
  return html`
    <dl class="facts">
      ${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}

/** @param {NonNullable<ChatView["process"]>} process */
function processWords({ pid, generation, memoryBytes }) {
  const memory = memoryBytes === null ? "" : `, ${memoryWords(memoryBytes)}`;
  return `${pid ?? "starting"}, generation ${generation}${memory}`;
}
