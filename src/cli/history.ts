/**
 * A chat's messages, replies and what happens meanwhile as lines that people read: the time, who, and the text with
 * a hanging indent. A day is named once, before its first line. Times are local.
 */

import type { EventView, HistoryEntry, MessageView, ReplyView } from "../views.ts";
import { cut, padded, width, wrap } from "./layout.ts";
import { dim, type Paint, printable, printableLine, red, yellow } from "./print.ts";
import { untilText } from "./trouble.ts";
import type { Step, Tone } from "./ways.ts";

export interface HistoryOptions {
  /** Who writes the messages. */
  contact: string;
  /** Asked for each block: a window changes. */
  columns(): number;
}

const claude = "Claude";
const notice = "notice";
/** Columns, most for a name. */
const longestName = 16;
/** Columns that the text keeps beside the indent; in a window with fewer it begins further left. */
const leastText = 24;
const shortIndent = 4;
/** Columns of a message that is told of again. */
const excerpt = 40;

const clockTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const stepTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const calendarDay = new Intl.DateTimeFormat("en-GB", { dateStyle: "full" });

interface Line {
  text: string;
  paint?: Paint;
}

export class History {
  readonly #contact: string;
  readonly #nameColumns: number;
  readonly #columns: () => number;
  #day = "";

  constructor({ contact, columns }: HistoryOptions) {
    this.#contact = cut(printableLine(contact), longestName);
    this.#nameColumns = Math.max(width(this.#contact), claude.length, notice.length);
    this.#columns = columns;
  }

  /** `way`: what is told of a message's way, below its text. */
  entry(entry: HistoryEntry, way: readonly Step[] = []): string {
    return entry.type === "message"
      ? this.#block(entry.acceptedAt, this.#contact, [
          ...said(entry),
          ...way.map(stepLine),
          ...standing(entry, way),
        ])
      : this.#reply(entry.createdAt, entry);
  }

  /** What has become of an entry that was shown before. Null where there is nothing to tell. */
  change(entry: HistoryEntry): string | null {
    return entry.type === "message"
      ? this.#again(entry.endedAt ?? entry.acceptedAt, entry)
      : this.#delivered(entry.createdAt, entry);
  }

  /** `isNew`: nothing has been shown of what the event is about. Null where there is nothing to tell. */
  event(event: EventView, isNew: boolean): string | null {
    switch (event.type) {
      case "message":
        return isNew
          ? this.#block(event.at, this.#contact, [...said(event.message), ...ending(event.message)])
          : this.#again(event.at, event.message);
      case "reply":
        return isNew ? this.#reply(event.at, event.reply) : this.#delivered(event.at, event.reply);
      case "tool": {
        if (event.state === "finished") return null;
        return this.#block(event.at, claude, [
          { text: `· ${printableLine(event.name)}${toolEnds[event.state]}`, paint: dim },
        ]);
      }
      case "turn":
        return event.state === "cut" ? this.#block(event.at, notice, [{ text: cutShort, paint: dim }]) : null;
      case "notice":
        return this.#block(event.at, notice, [{ text: printable(event.text), paint: dim }]);
      case "process":
      case "text":
        return null;
    }
  }

  #reply(at: string, reply: ReplyView): string {
    return this.#block(at, reply.kind === "answer" ? claude : notice, [
      plain(reply.text),
      ...delivery(reply),
    ]);
  }

  #again(at: string, message: Said & Pick<MessageView, "status" | "ran" | "error">): string | null {
    const end = ending(message);
    if (end.length === 0) return null;
    const which = cut(
      printableLine(message.text || message.attachments.map(({ name }) => name).join()),
      excerpt,
    );
    return this.#block(at, this.#contact, [{ text: `about "${which}"`, paint: dim }, ...end]);
  }

  #delivered(at: string, reply: ReplyView): string | null {
    const lines = progress(reply);
    return lines.length === 0 ? null : this.#block(at, reply.kind === "answer" ? claude : notice, lines);
  }

  #block(at: string, who: string, lines: Line[]): string {
    const time = new Date(at);
    const day = calendarDay.format(time);
    const heading = day === this.#day ? [] : [dim(day)];
    this.#day = day;
    const clock = clockTime.format(time);
    const prefix = `${dim(clock)}  ${padded(who, this.#nameColumns)}  `;
    const prefixColumns = clock.length + this.#nameColumns + 4;
    const room = this.#columns() - prefixColumns;
    if (room >= leastText) {
      const indent = " ".repeat(prefixColumns);
      const text = lines.flatMap((line) => painted(line, room));
      return [...heading, ...text.map((each, at) => (at === 0 ? prefix : indent) + each)].join("\n");
    }
    const indent = " ".repeat(shortIndent);
    const text = lines.flatMap((line) => painted(line, Math.max(2, this.#columns() - shortIndent)));
    return [...heading, prefix.trimEnd(), ...text.map((each) => indent + each)].join("\n");
  }
}

const cutShort = "Claude was cut off while it worked. The messages go on.";

const toolEnds = { started: "", failed: " failed", unknown: " was cut off" };

type Said = Pick<MessageView, "text" | "attachments">;

/** A picture may come without a word. */
function said({ text, attachments }: Said): Line[] {
  const files = attachments.map(({ name, type, bytes }) => ({
    text: `· ${printableLine(name)} (${type}, ${bytes} bytes)`,
    paint: dim,
  }));
  return text.trim() === "" && files.length > 0 ? files : [plain(text), ...files];
}

function plain(text: string): Line {
  return { text: printable(text).replaceAll("\t", "    ") };
}

function painted({ text, paint = (each) => each }: Line, columns: number): string[] {
  return wrap(text, columns).map(paint);
}

const tonePaint: Record<Tone, Paint> = { usual: dim, unusual: yellow, bad: red };

function stepLine({ at, text, tone }: Step): Line {
  return { text: `${stepTime.format(new Date(at))}  ${printableLine(text)}`, paint: tonePaint[tone] };
}

/** Where a message without an answer stands; its way, if that is told, has its end already. */
function standing(message: MessageView, way: readonly Step[]): Line[] {
  if (message.endedAt === null) return [{ text: openText(message), paint: yellow }];
  return way.length === 0 ? ending(message) : [];
}

function openText({ status, tries, waiting }: MessageView): string {
  const again = status === "queued" && tries > 0 ? ", to be tried again" : "";
  if (waiting === null) return status + again;
  const place = waiting.position === undefined ? "" : ` (number ${waiting.position} in line)`;
  const until = waiting.until === undefined ? "" : ` until ${untilText(waiting.until)}`;
  const plan = waiting.plan === undefined ? "" : `: ${plans[waiting.plan]}`;
  return `${status}${again}, waits for ${waitingFor[waiting.for]}${place}${until}${plan}`;
}

const plans: Record<NonNullable<NonNullable<MessageView["waiting"]>["plan"]>, string> = {
  join: "it joins the turn that runs",
  next: "its turn is the next",
  collect: "its turn is the next, with what comes shortly",
  interrupt: "it stops the turn that runs",
};

const waitingFor: Record<NonNullable<MessageView["waiting"]>["for"], string> = {
  slot: "a free slot",
  start: "its process to start",
  model: "the model",
  tool: "a tool",
  approval: "an approval",
  limit: "the rate limit to pass",
  compaction: "the conversation to be compacted",
  budget: "its budget",
};

/** Why a message has ended without an answer; nothing when it has one, or none yet. */
function ending({ status, ran, error }: Pick<MessageView, "status" | "ran" | "error">): Line[] {
  const because = error === null ? "" : `: ${printable(error.message)}`;
  switch (status) {
    case "queued":
    case "sent":
    case "answered":
      return [];
    case "stopped":
      return [{ text: `stopped${ran === false ? " before it was begun" : ""}${because}`, paint: red }];
    case "refused":
    case "failed":
      return [{ text: `${status}${because}`, paint: red }];
  }
}

/** How far a reply is that has not been delivered. */
function delivery({ status, error }: ReplyView): Line[] {
  const because = error === null ? "" : `: ${printable(error.message)}`;
  switch (status) {
    case "sent":
      return [];
    case "pending":
      if (error !== null) return [{ text: `not delivered yet, to be tried again${because}`, paint: yellow }];
      return [{ text: "waits for its channel", paint: yellow }];
    case "sending":
      return [{ text: "on its way", paint: yellow }];
    case "uncertain":
      return [{ text: `uncertain whether it was delivered${because}`, paint: red }];
    case "failed":
      return [{ text: `not delivered${because}`, paint: red }];
  }
}

/** What is told of a reply that was shown before: each trouble, and the end of it. */
function progress(reply: ReplyView): Line[] {
  const { status, attempts, error } = reply;
  if (status === "sending") return [];
  if (status === "sent")
    return attempts > 1 ? [{ text: `delivered by attempt ${attempts}`, paint: dim }] : [];
  if (status === "pending" && error === null) return [{ text: "is sent again on request", paint: yellow }];
  return delivery(reply);
}
