/** What was done for a message: its way step by step, and the tool calls, both folded until somebody wants to know. */

import { html, nothing } from "lit-html";
import { icons } from "./icons.js";
import { counted, durationWords, timelineWords } from "./words.js";

/**
 * @import { TemplateResult } from "lit-html"
 * @import { TimelineEntry } from "../views.ts"
 *
 * @typedef {Extract<TimelineEntry, { what: "tool" }>} ToolStep
 */

/**
 * @param {TemplateResult} summary what is shown while it is folded
 * @param {readonly TimelineEntry[]} timeline
 */
export function timelineView(summary, timeline) {
  const [first] = timeline;
  if (first === undefined) return summary;
  return html`
    <details class="way">
      <summary>${summary}</summary>
      <ol>
        ${timeline.map((entry) => html`<li><span class="when">${sinceWords(first.at, entry.at)}</span><span>${timelineWords(entry)}</span></li>`)}
      </ol>
    </details>
  `;
}

/** @param {readonly ToolStep[]} calls */
export function callsView(calls) {
  if (calls.length === 0) return nothing;
  return html`
    <details class="calls">
      <summary><span class="status">${icons.tool}<span>${counted(calls.length, "tool call")}: ${namesOf(calls)}</span></span></summary>
      <ol>
        ${calls.map(
          (call) => html`
            <li>
              <p><strong>${call.name}</strong> <span class="quiet" data-state=${call.state}>${stateWords(call)}</span></p>
              <pre tabindex="0" aria-label=${`What ${call.name} was called with`}>${pretty(call.input)}</pre>
            </li>
          `,
        )}
      </ol>
    </details>
  `;
}

/** @param {readonly ToolStep[]} calls */
function namesOf(calls) {
  const counts = Map.groupBy(calls, ({ name }) => name);
  return [...counts].map(([name, { length }]) => (length === 1 ? name : `${name} ×${length}`)).join(", ");
}

/** @param {ToolStep} call */
function stateWords({ at, state, endedAt }) {
  if (endedAt === null) return "runs";
  const took = `after ${durationWords(Date.parse(endedAt) - Date.parse(at))}`;
  return state === "unknown"
    ? `${took} its process was gone: nobody knows whether it was done`
    : `${state} ${took}`;
}

/**
 * Laid out for reading; one that was cut is shown as it is.
 * @param {string} input
 */
function pretty(input) {
  try {
    return JSON.stringify(JSON.parse(input), null, 2);
  } catch {
    return `${input} …`;
  }
}

/**
 * @param {string} from
 * @param {string} at
 */
function sinceWords(from, at) {
  return at === from ? "0 s" : `+${durationWords(Date.parse(at) - Date.parse(from))}`;
}
