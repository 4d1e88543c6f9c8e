/**
 * What `sessions --watch` shows in a window: a line of counts, what ails the model's API, the table, and how many rows
 * more there are.
 */

import type { HostView } from "../views.ts";
import { cut } from "./layout.ts";
import { dim, printableLine, red, type Size } from "./print.ts";
import { type ChatList, chatStates, chatTable } from "./sessions.ts";
import { troubleText } from "./trouble.ts";

export interface Look {
  list: ChatList;
  host: HostView;
  /** ms since the epoch. */
  at: number;
  /** Whether the daemon did not answer since. */
  stale: boolean;
}

/** No more lines than the window has, none wider. */
export function picture(look: Look, { columns, rows }: Size): string[] {
  const { list, at } = look;
  const { trouble } = look.host;
  const above = [
    heading(look, columns),
    ...(trouble === null ? [] : [red(cut(printableLine(troubleText(trouble)), columns))]),
  ];
  const count = list.chats.length;
  const room = Math.max(0, rows - above.length - titleRows);
  const shown = count <= room ? count : Math.max(0, room - 1);
  const body = count === 0 ? [dim("no chats")] : chatTable(list.chats.slice(0, shown), at, columns);
  const more =
    list.next === null ? `… ${count - shown} more` : `… ${count - shown} more, and those beyond --limit`;
  const lines = [...above, ...body, ...(shown < count ? [dim(cut(more, columns))] : [])];
  return lines.slice(0, rows);
}

/** The table's. */
const titleRows = 1;

function heading({ list, host, at, stale }: Look, columns: number): string {
  const time = new Date(at).toLocaleTimeString("en-GB");
  if (stale) return red(cut(`The daemon does not answer; this is how it was at ${time}`, columns));
  const states = chatStates.flatMap((state) => {
    const count = list.chats.filter((chat) => chat.state === state).length;
    return count === 0 ? [] : `${count} ${state}`;
  });
  const chats = list.chats.length === 1 ? "1 chat" : `${list.chats.length} chats`;
  const which = list.next === null ? chats : `${chats} and more`;
  const slots = `${host.processes.live} of ${host.processes.max} processes`;
  return cut([which, ...states, slots, time].join(" · "), columns);
}
