/** What is shown beside the list before a chat is chosen: how it goes, at a glance. */

import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { addressOf } from "./address.js";
import { chart } from "./chart.js";
import { icons } from "./icons.js";
import {
  counted,
  durationWords,
  eventWords,
  memoryWords,
  moneyWords,
  timeWords,
  waitingReason,
} from "./words.js";

/**
 * @import { HostView, OverviewView, StepView } from "../views.ts"
 * @import { DurableEvent, Overview } from "./overview.js"
 *
 * @typedef {object} Tile
 * @property {string} name
 * @property {string} value
 * @property {string} below
 * @property {(step: StepView) => number | null} of what the chart shows of a step; null: nobody knows
 * @property {((step: StepView) => number | null) | undefined} [within] the part of it that is shown darker
 * @property {(value: number) => string} words
 */

const ranges = /** @type {const} */ ([
  [6, "6 hours"],
  [24, "24 hours"],
  [168, "7 days"],
]);

/**
 * @param {Overview} overview
 * @param {HostView | null} host
 * @param {(chatId: string) => string} nameOf
 */
export function overviewPane(overview, host, nameOf) {
  const { view, events, hours } = overview;
  return html`
    <section class="pane chat-pane overview" aria-labelledby="overview-title">
      <header class="bar">
        <a class="button icon-button back" href="#" aria-label="All chats">${icons.back}</a>
        <div class="who"><h2 id="overview-title" tabindex="-1">Overview</h2></div>
        <fieldset class="ranges">
          <legend class="hidden">Time that is shown</legend>
          ${ranges.map(
            ([value, name]) => html`
              <label><input type="radio" name="hours" value=${value} .checked=${value === hours} @change=${() => overview.choose(value)} /><span>${name}</span></label>
            `,
          )}
        </fieldset>
      </header>
      <div class="scroll" tabindex="0" role="region" aria-label="How it goes">
        ${view === null || host === null ? nothing : tiles(view, host)}
        ${view === null ? nothing : happenings(events, nameOf)}
      </div>
    </section>
  `;
}

/**
 * @param {OverviewView} view
 * @param {HostView} host
 */
function tiles(view, host) {
  return html`<div class="tiles">${tilesOf(view, host).map((tile) => tileView(tile, view))}</div>`;
}

/**
 * @param {OverviewView} view
 * @param {HostView} host
 * @returns {Tile[]}
 */
function tilesOf({ chats, waiting, today }, { processes }) {
  const waitsFor = Object.entries(waiting).filter(([, count]) => count > 0);
  const open = waitsFor.reduce((sum, [, count]) => sum + count, 0);
  const reasons = waitsFor.map(([reason, count]) => `${count} ${waitingReason[reasonOf(reason)]}`);
  const unwell = [
    chats.parked === 0 ? [] : `${chats.parked} parked`,
    chats.quarantined === 0 ? [] : `${chats.quarantined} in quarantine`,
  ].flat();
  const ends = [
    `${today.answered} answered`,
    ...(today.failed === 0 ? [] : [`${today.failed} failed`]),
    ...(today.stopped === 0 ? [] : [`${today.stopped} stopped`]),
    ...(today.refused === 0 ? [] : [`${today.refused} refused`]),
  ];
  return [
    {
      name: "Processes",
      value: `${processes.live} of ${processes.max}`,
      below: [
        `${chats.busy} busy`,
        `${chats.dormant} of ${counted(chats.total, "chat")} dormant`,
        ...unwell,
      ].join(", "),
      of: ({ live }) => live,
      words: (count) => `${count} live`,
    },
    {
      name: "Messages that wait",
      value: String(open),
      below: open === 0 ? "nothing waits" : reasons.join(", "),
      of: (step) => step.waiting,
      words: (count) => `${count} in line`,
    },
    {
      name: "Memory",
      value: memoryWords(processes.memoryBytes),
      below: `of ${memoryWords(processes.memoryBytesMax)} for all processes`,
      of: ({ memoryBytes }) => memoryBytes,
      words: memoryWords,
    },
    {
      name: "Turns today",
      value: String(today.turns),
      below: ends.join(", "),
      of: (step) => (hasRun(step) ? step.turns : null),
      words: (count) => counted(count, "turn"),
    },
    {
      name: "Time to the answer",
      value: today.answerMs === null ? "none yet" : durationWords(today.answerMs.p50),
      below:
        today.answerMs === null
          ? "no message was answered today"
          : `half of today's within that, 99 of 100 within ${durationWords(today.answerMs.p99)}`,
      of: ({ answerMs }) => answerMs?.p99 ?? null,
      within: ({ answerMs }) => answerMs?.p50 ?? null,
      words: durationWords,
    },
    {
      name: "Cost today",
      value: moneyWords(today.costUsd),
      below: "since midnight UTC, by the list of prices",
      of: (step) => (hasRun(step) ? step.costUsd : null),
      words: moneyWords,
    },
  ];
}

/**
 * Where no daemon ran there is nothing to count.
 * @param {StepView} step
 */
function hasRun({ live, turns, costUsd }) {
  return live !== null || turns > 0 || costUsd > 0;
}

/**
 * @param {Tile} tile
 * @param {OverviewView} view
 */
function tileView({ name, value, below, of, within, words }, { steps, stepSeconds }) {
  const bars = steps.map((step) => ({
    value: of(step),
    within: within?.(step) ?? null,
    title: `${timeWords(step.at)}: ${barWords(of(step), within?.(step) ?? null, words)}`,
  }));
  const known = bars.flatMap(({ value }) => value ?? []);
  const highest = known.length === 0 ? 0 : Math.max(...known);
  const first = steps[0];
  const length = `${stepSeconds / 60} minutes`;
  return html`
    <section class="tile" aria-label=${name}>
      <h3>${name}</h3>
      <p class="value">${value}</p>
      <p class="quiet">${below}</p>
      ${chart(bars, `${name}, in steps of ${length}: at most ${words(highest)}`)}
      <p class="axis quiet" aria-hidden="true">
        <span>${first === undefined ? "" : timeWords(first.at)}</span><span>at most ${words(highest)}</span><span>now</span>
      </p>
    </section>
  `;
}

/**
 * @param {number | null} value
 * @param {number | null} within
 * @param {(value: number) => string} words
 */
function barWords(value, within, words) {
  if (value === null) return "nothing is known";
  return within === null ? words(value) : `half within ${words(within)}, 99 of 100 within ${words(value)}`;
}

/**
 * @param {readonly DurableEvent[]} events
 * @param {(chatId: string) => string} nameOf
 */
function happenings(events, nameOf) {
  return html`
    <section class="happenings" aria-labelledby="happenings-title">
      <h3 id="happenings-title">What happened last</h3>
      ${events.length === 0 ? html`<p class="quiet">Nothing yet. Choose a chat to read it and to talk in it.</p>` : nothing}
      <ol>
        ${repeat(
          events,
          ({ seq }) => seq,
          (event) => html`
            <li>
              <time class="quiet" datetime=${event.at}>${timeWords(event.at)}</time>
              <a href=${addressOf(event.chatId)} dir="auto">${nameOf(event.chatId)}</a>
              <span>${eventWords(event)}</span>
            </li>
          `,
        )}
      </ol>
    </section>
  `;
}

/**
 * @param {string} key
 * @returns {keyof typeof waitingReason}
 */
function reasonOf(key) {
  return /** @type {keyof typeof waitingReason} */ (key);
}
