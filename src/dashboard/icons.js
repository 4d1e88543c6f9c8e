/** Line drawings in the size of the text around them. They go with words and say nothing that these do not. */

import { html, svg } from "lit-html";

/** @import { SVGTemplateResult, TemplateResult } from "lit-html" */

/** @param {SVGTemplateResult} lines */
function icon(lines) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">${lines}</svg>`;
}

/** @satisfies {Record<string, TemplateResult>} */
export const icons = {
  waiting: icon(svg`<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.2 1.6"/>`),
  working: icon(svg`<path d="M2.5 8.5 13.5 3l-3 10.5-2.7-4z"/><path d="m7.8 9.5 5.7-6.5"/>`),
  done: icon(svg`<path d="m3 8.5 3.2 3.3L13 4.8"/>`),
  failed: icon(svg`<path d="M8 2 14.5 13.5h-13z"/><path d="M8 6.5v3.2M8 11.6v.1"/>`),
  stopped: icon(svg`<rect x="3.5" y="3.5" width="9" height="9" rx="1.5"/>`),
  back: icon(svg`<path d="M10 3 5 8l5 5"/>`),
  more: icon(svg`<path d="M3.5 8h.01M8 8h.01M12.5 8h.01"/>`),
  details: icon(svg`<circle cx="8" cy="8" r="6.2"/><path d="M8 7.3v4M8 4.9v.1"/>`),
  chart: icon(svg`<path d="M2.5 13.5h11M4.5 11V8M8 11V3.5M11.5 11V6"/>`),
  add: icon(svg`<path d="M8 3v10M3 8h10"/>`),
  send: icon(svg`<path d="M8 13V3.5M3.8 7.5 8 3.3l4.2 4.2"/>`),
  down: icon(svg`<path d="M8 3v9.5M3.8 8.5 8 12.7l4.2-4.2"/>`),
  close: icon(svg`<path d="m4 4 8 8M12 4l-8 8"/>`),
  tool: icon(svg`<path d="M9.5 3.2a3.2 3.2 0 0 0 3.7 4.6L7 14l-2.8-2.8L10.3 5"/>`),
};
