/** `log`: a chat's last messages and replies, and what follows them as it happens. */

import type { ChatView, EventView, HistoryEntry } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { follow } from "./follow.ts";
import { History } from "./history.ts";
import { interrupted } from "./interrupt.ts";
import { columns, printJson, printLine, printPainted } from "./print.ts";
import { type News, Told } from "./told.ts";

/** The most that one call of the API gives. */
const pageSize = 1000;

export interface LogOptions {
  json?: true;
  limit: number;
  follow?: true;
}

interface Paper {
  entry(entry: HistoryEntry, news: Exclude<News, "old">): void;
  event(event: EventView, news: Exclude<News, "old">): void;
}

export async function log(client: Client, chatId: string, options: LogOptions): Promise<void> {
  const chat = await client.get<ChatView>(chatPath(chatId));
  const paper = options.json === true ? jsonPaper : textPaper(chat);
  if (options.follow === true) return goOn(client, chatId, options.limit, paper);
  const entries = await latest(client, chatId, options.limit);
  if (entries.length === 0 && options.json !== true) return printLine("no messages");
  for (const entry of entries) paper.entry(entry, "new");
}

/** Until it is interrupted. */
async function goOn(client: Client, chatId: string, limit: number, paper: Paper): Promise<void> {
  const told = new Told();
  let from: number | null = null;
  // The stream is open by then: what happens while the page is read is among the events.
  const opened = async (after: string | undefined) => {
    if (after !== undefined) return;
    const entries = from === null ? await latest(client, chatId, limit) : await since(client, chatId, from);
    from ??= entries[0]?.seq ?? 1;
    for (const entry of entries) {
      const news = told.entry(entry);
      if (news !== "old") paper.entry(entry, news);
    }
  };
  const path = chatPath(chatId, "/events?text=false");
  for await (const event of follow(client, path, { signal: interrupted(), opened })) {
    const news = told.event(event);
    if (news !== "old") paper.event(event, news);
  }
}

/** The newest of a chat's messages and replies, oldest first; `timeline`: with what happened to each message. */
export async function latest(
  client: Client,
  chatId: string,
  limit: number,
  { timeline = false } = {},
): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  let before: number | null = null;
  do {
    const left = Math.min(pageSize, limit - entries.length);
    const query = new URLSearchParams({ order: "newest", limit: String(left), timeline: String(timeline) });
    if (before !== null) query.set("before", String(before));
    const page: Page = await client.get<Page>(chatPath(chatId, `/messages?${query}`));
    entries.push(...page.history);
    before = page.next;
  } while (before !== null && entries.length < limit);
  return entries.reverse();
}

/** All from this place on. */
async function since(client: Client, chatId: string, seq: number): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  let after: number | null = seq - 1;
  do {
    const query = new URLSearchParams({ after: String(after), limit: String(pageSize) });
    const page: Page = await client.get<Page>(chatPath(chatId, `/messages?${query}`));
    entries.push(...page.history);
    after = page.next;
  } while (after !== null);
  return entries;
}

interface Page {
  history: HistoryEntry[];
  next: number | null;
}

const jsonPaper: Paper = { entry: printJson, event: printJson };

function textPaper({ chatId, contact }: ChatView): Paper {
  const history = new History({ contact: contact.name ?? chatId, columns });
  const print = (lines: string | null) => {
    if (lines !== null) printPainted(lines);
  };
  return {
    entry: (entry, news) => print(news === "new" ? history.entry(entry) : history.change(entry)),
    event: (event, news) => print(history.event(event, news === "new")),
  };
}
