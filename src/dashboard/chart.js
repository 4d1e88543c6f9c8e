/** A row of bars, one for each step of time. A step of which nothing is known has none, also no line at its foot. */

import { html, nothing, svg } from "lit-html";

/**
 * @typedef {object} Bar
 * @property {number | null} value null: nothing is known
 * @property {number | null} within the part of it that is shown darker
 * @property {string} title
 */

/** Units of the drawing; it takes the width that it is given. */
const width = 4;
const height = 48;

/**
 * @param {readonly Bar[]} bars
 * @param {string} label what it shows, for those who do not see it
 */
export function chart(bars, label) {
  const highest = Math.max(...bars.map(({ value }) => value ?? 0));
  return html`
    <svg class="chart" role="img" aria-label=${label} viewBox="0 0 ${bars.length * width} ${height}" preserveAspectRatio="none">
      ${bars.map(({ value, within, title }, place) =>
        value === null
          ? nothing
          : svg`<g><title>${title}</title>
              <rect class="ground" x=${place * width} y="0" width=${width} height=${height}></rect>
              ${rect(place, value, highest, within === null ? "whole" : "rest")}
              ${within === null ? nothing : rect(place, within, highest, "whole")}</g>`,
      )}
    </svg>
  `;
}

/**
 * @param {number} place
 * @param {number} value
 * @param {number} highest
 * @param {"whole" | "rest"} kind
 */
function rect(place, value, highest, kind) {
  // The line at the foot says that it was known to be nothing.
  const tall = Math.max(1, highest === 0 ? 0 : (value / highest) * height);
  return svg`<rect class=${kind} x=${place * width + 0.4} y=${height - tall} width=${width - 0.8} height=${tall}></rect>`;
}
