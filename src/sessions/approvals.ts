/**
 * Tool calls that need a person's yes. The question is in the ledger, so it outlives the process, and the daemon: a turn
 * that is taken up makes its call again, and finds the question, or its answer. A yes holds for one run of that very call
 * on behalf of that message.
 */

import { randomUUIDv7 } from "node:crypto";
import type { ToolRequest } from "../claude/index.ts";
import { type Clock, sleep } from "../clock.ts";
import type { Approval, Contact, Ledger } from "../ledger/index.ts";
import type { Book } from "./book.ts";
import { inputOf } from "./tools.ts";

export interface Question {
  call: ToolRequest;
  /** The first of the turn. */
  messageId: string;
  /** Why a person has to say yes. */
  reason: string;
}

export interface Asking {
  /** Aborts when the turn needs no answer any more. */
  stopped: AbortSignal;
  /** Aborts when the process that makes the call is gone: the question stays, for the next one. */
  gone: AbortSignal;
  /** An answer is waited for, until then at the latest (ms since the Unix epoch). */
  onWaiting(until: number): void;
}

export interface ApprovalsOptions {
  ledger: Ledger;
  clock: Clock;
  /** How long an answer is waited for, in ms. */
  waitMs: number;
  /** An operator's chat that is asked, too; null: none. */
  chatId: string | null;
}

/** A person's word in a chat. The code is the end of the question's id. */
const answerPattern = /^\s*(yes|no)\s+([0-9a-f]{6})[\s.!]*$/i;
/** Characters of a call's input that a chat is shown. */
const shownInput = 700;
/** Questions among which an answer's code is looked for: many more than people can hold in mind. */
const mostPending = 1000;

export class Approvals {
  #options: ApprovalsOptions;
  /** By the question's id: whoever waits for its answer. */
  readonly #waiting = new Map<string, () => void>();

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  /** Holds from the next question on. */
  change(asking: Pick<ApprovalsOptions, "waitMs" | "chatId">): void {
    this.#options = { ...this.#options, ...asking };
  }

  /** Null: a person allows the call. Otherwise why it must not run, for Claude to read. Rejects when the process is gone. */
  async ask(book: Book, { call, messageId, reason }: Question, asking: Asking): Promise<string | null> {
    const { waitMs, chatId } = this.#options;
    const question = { id: randomUUIDv7(), messageId, name: call.name, reason, waitMs, ...inputOf(call) };
    const tell = chatId === null ? null : { chatId, text: questionText(book.chatId, question) };
    const asked = await book.write((ledger, lease) => ledger.askApproval(lease, { ...question, tell }));
    const how = asked.state === "pending" ? await this.#answer(asked, asking) : asked.state;
    const ended =
      how === "approved" || how === "expired" || how === "withdrawn"
        ? await book.write((ledger, lease) =>
            ledger.endApproval(lease, asked.id, how === "approved" ? "used" : how),
          )
        : { state: how };
    // Somebody was faster: a yes that came with the last moment counts for the next call.
    return ended.state === "used" ? null : denials[ended.state];
  }

  /** Null: it does not wait for an answer, or no longer. */
  async decide(id: string, decision: "approved" | "denied", by: string): Promise<Approval | null> {
    const approval = await this.#options.ledger.decideApproval(id, decision, by);
    this.#waiting.get(id)?.();
    return approval;
  }

  /** Whether a message is an answer to a question that was asked in its chat: nothing of it is for the model. */
  isAnswer(chatId: string, text: string): boolean {
    return chatId === this.#options.chatId && answerPattern.test(text);
  }

  /** Carries out what such a message says. Resolves with what its chat is to be told. */
  async answer(text: string, { contact, chatId }: { contact: Contact; chatId: string }): Promise<string> {
    const [, word = "", code = ""] = answerPattern.exec(text) ?? [];
    if (contact.group)
      return "I take such answers in a chat with one person only: anybody could say yes here.";
    const pending = await this.#options.ledger.pendingApprovals(mostPending);
    const meant = pending.filter(({ id }) => id.endsWith(code.toLowerCase()));
    const [question] = meant;
    if (meant.length > 1)
      return `More than one question ends with ${code}: please answer by the command line or the dashboard.`;
    const decision = word.toLowerCase() === "yes" ? "approved" : "denied";
    const decided = question && (await this.decide(question.id, decision, contact.name ?? chatId));
    if (!decided)
      return `No question with the code ${code} waits for an answer. It may have been answered, or its time may be over.`;
    return `${decision === "approved" ? "Allowed" : "Denied"}: ${decided.name}, for ${decided.chatId}.`;
  }

  async #answer({ id, until }: Approval, { stopped, gone, onWaiting }: Asking): Promise<Approval["state"]> {
    const { ledger, clock } = this.#options;
    onWaiting(until);
    const answered = Promise.withResolvers<"answered">();
    const wake = () => answered.resolve("answered");
    this.#waiting.set(id, wake);
    const over = new AbortController();
    try {
      // It may have been answered before anybody listened.
      const { state } = (await ledger.approval(id)) ?? { state: "withdrawn" };
      if (state !== "pending") return state;
      const late = sleep(clock, until - clock.now(), AbortSignal.any([stopped, gone, over.signal]));
      const how = await Promise.race([answered.promise, late.then(() => "late" as const)]);
      if (gone.aborted) throw new Error("the process that asked is gone");
      if (how === "late") return stopped.aborted ? "withdrawn" : "expired";
      return (await ledger.approval(id))?.state ?? "withdrawn";
    } finally {
      if (this.#waiting.get(id) === wake) this.#waiting.delete(id);
      over.abort();
    }
  }
}

function questionText(
  chatId: string,
  { id, name, input, reason }: Pick<Approval, "id" | "name" | "input" | "reason">,
): string {
  const code = id.slice(-6);
  const shown = input.length > shownInput ? `${input.slice(0, shownInput).toWellFormed()}…` : input;
  return `May Claude call ${name} for the chat ${JSON.stringify(chatId)}?\n${shown}\n${reason}\nAnswer "yes ${code}" or "no ${code}".`;
}

const denials: Record<Exclude<Approval["state"], "used">, string> = {
  pending: "It waits for a person's yes.",
  approved: "A person has allowed it only now: call it again.",
  denied: "A person was asked and said no. Don't try it in another way.",
  expired: "A person was asked and has not answered in time. Say so, and go on without it.",
  withdrawn: "The turn is being stopped.",
};
