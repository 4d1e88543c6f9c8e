/**
 * Our messages in a chat, from saying them to their end, by the chat's events. A message is done when its end and
 * its reply have been seen, in whatever order. `text` pieces only make a reply appear sooner: the reply's own text
 * is what counts.
 */

import type { EventView, MessageView, ReplyView } from "../views.ts";
import { type Piece, type Screen, withPiece } from "./screen.ts";

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
  /** What has come of a turn before it is known to be ours. */
  #early = { turnId: "", text: "" };

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
    switch (event.type) {
      case "text":
        this.#piece(event);
        return;
      case "message":
        this.#take(event.message);
        if (!this.#ours.has(event.message.id)) return;
        this.#screen.event(event);
        this.#settle();
        return;
      case "turn":
        if (event.messageIds.some((id) => this.#ours.has(id))) this.#turns.add(event.turnId);
        if (!this.#turns.has(event.turnId)) return;
        this.#screen.event(event);
        this.#showEarly(event);
        return;
      case "tool":
        if (!this.#turns.has(event.turnId)) return;
        this.#screen.event(event);
        if (event.state === "started") this.#screen.tool(event.name);
        return;
      case "reply":
        if (!event.reply.answers.some((id) => this.#ours.has(id))) return;
        this.#screen.event(event);
        if (event.reply.kind === "answer") this.#show(event.reply);
        else this.#notify(event.reply);
        return;
      case "process":
      case "notice":
        return;
    }
  }

  #take(message: End & { id: string; externalId: string | null }): void {
    const open = message.externalId === null ? undefined : this.#open.get(message.externalId);
    if (open === undefined || message.externalId === null) return;
    this.#ours.set(message.id, message.externalId);
    if (message.status !== "queued" && message.status !== "sent") open.end = message;
  }

  /** Pieces may come before the event that says whose turn it is. */
  #piece(piece: Piece): void {
    const { turnId } = piece;
    if (this.#turns.has(turnId)) {
      this.#screen.piece(piece);
      return;
    }
    const text = this.#early.turnId === turnId ? this.#early.text : "";
    this.#early = { turnId, text: withPiece(text, piece) };
  }

  #showEarly({ chatId, turnId }: { chatId: string; turnId: string }): void {
    const { text } = this.#early;
    if (this.#early.turnId !== turnId || text === "") return;
    this.#early = { turnId: "", text: "" };
    this.#screen.piece({ type: "text", chatId, turnId, offset: 0, text });
  }

  #show(reply: ReplyView): void {
    if (this.#shown.has(reply.id)) return;
    this.#shown.add(reply.id);
    this.#screen.reply(reply.text);
    this.#settle();
  }

  /** Of messages that are waited for; why others ended has been told. */
  #notify({ id, text, answers }: ReplyView): void {
    if (this.#shown.has(id) || !answers.some((each) => this.openIds.includes(each))) return;
    this.#shown.add(id);
    this.#screen.notice(text);
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
