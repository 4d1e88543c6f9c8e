/**
 * Our messages in a chat, from saying them to their end, by the chat's events. A message is done when its end and
 * its reply have been seen, in whatever order. `text` pieces only make a reply appear sooner: the reply's own text
 * is what counts, and fills in what was missed.
 */

import type { EventView, MessageView, ReplyView } from "../views.ts";
import type { Screen } from "./screen.ts";

interface End {
  status: MessageView["status"];
  error: MessageView["error"];
  replyId: string | null;
}

export class Conversation {
  /** Called when nothing is open any more. */
  onIdle = () => {};
  /** How many messages ended without an answer. */
  unanswered = 0;
  readonly #screen: Screen;
  /** By external id, which we gave: events may tell of a message before its sending has answered. */
  readonly #open = new Map<string, { end: End | null }>();
  /** Our messages' external ids by the daemon's ids. */
  readonly #ours = new Map<string, string>();
  /** Turns that took in a message of ours. */
  readonly #turns = new Set<string>();
  readonly #shown = new Set<string>();
  /** What is on the screen of a reply that is being written. */
  #written = { turnId: "", text: "" };

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  /** Ids of the messages without an end. */
  get openIds(): string[] {
    return [...this.#ours].filter(([, externalId]) => this.#open.has(externalId)).map(([id]) => id);
  }

  /** Before a message is sent. */
  expect(externalId: string): void {
    this.#open.set(externalId, { end: null });
  }

  /** It could not be sent. */
  forget(externalId: string): void {
    this.#open.delete(externalId);
  }

  /** As the daemon shows it outside of its events. */
  see(message: MessageView): void {
    this.#take({ ...message, replyId: message.reply?.id ?? null });
    if (message.reply !== null) this.#show(message.reply);
    this.#settle();
  }

  on(event: EventView): void {
    if (event.type === "message") this.#take(event.message);
    if (event.type === "turn" && event.messageIds.some((id) => this.#ours.has(id)))
      this.#turns.add(event.turnId);
    if (!this.#isOurs(event)) return;
    this.#screen.event(event);
    switch (event.type) {
      case "text":
        this.#write(event);
        break;
      case "tool":
        if (event.state === "started") this.#screen.tool(event.name);
        break;
      case "reply":
        this.#show(event.reply);
        break;
      case "message":
        this.#settle();
        break;
      case "turn":
      case "process":
      case "notice":
        break;
    }
  }

  #isOurs(event: EventView): boolean {
    switch (event.type) {
      case "message":
        return this.#ours.has(event.message.id);
      case "reply":
        return event.reply.answers.some((id) => this.#ours.has(id));
      case "turn":
      case "text":
      case "tool":
        return this.#turns.has(event.turnId);
      case "process":
      case "notice":
        return false;
    }
  }

  #take(message: End & { id: string; externalId: string | null }): void {
    const open = message.externalId === null ? undefined : this.#open.get(message.externalId);
    if (open === undefined || message.externalId === null) return;
    this.#ours.set(message.id, message.externalId);
    if (message.status !== "queued" && message.status !== "sent") open.end = message;
  }

  #write({ turnId, offset, text }: { turnId: string; offset: number; text: string }): void {
    if (this.#written.turnId !== turnId) this.#written = { turnId, text: "" };
    // What does not join on to what is there (a piece was dropped) is left to the reply.
    if (offset !== this.#written.text.length) return;
    this.#written.text += text;
    this.#screen.piece(text);
  }

  #show(reply: ReplyView): void {
    if (this.#shown.has(reply.id)) return;
    this.#shown.add(reply.id);
    const { text } = this.#written;
    this.#written = { turnId: "", text: "" };
    this.#screen.reply(reply.text.startsWith(text) ? reply.text.slice(text.length) : `\n${reply.text}`);
    this.#settle();
  }

  #settle(): void {
    for (const [externalId, { end }] of this.#open) {
      if (end === null || (end.replyId !== null && !this.#shown.has(end.replyId))) continue;
      this.#open.delete(externalId);
      if (end.status !== "answered") {
        this.unanswered++;
        this.#screen.unanswered(end.error === null ? end.status : `${end.status}: ${end.error.message}`);
      }
      if (this.isIdle) this.onIdle();
    }
  }
}
