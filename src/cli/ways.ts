/**
 * The ways that some messages of a chat have taken, from their acceptance to their reply's delivery, told in plain words
 * from the chat's events. Pure; the events come in order, from before the first of these messages was accepted.
 *
 * Some things no event names, but their order does. A message that is charged before its process has started is a cut
 * turn that is taken up again: whatever is handed over needs a process that is there. And an answer that comes while no
 * process serves the chat can only come from the transcript that the last one has left.
 */

import type { EventView, ReplyView } from "../views.ts";

/** `usual`: a step of each message that meets no trouble. */
export type Tone = "usual" | "unusual" | "bad";

export interface Step {
  /** ISO 8601. */
  at: string;
  /** May hold what others wrote: names of tools, words of the model's API and of channels. */
  text: string;
  tone: Tone;
}

type Told = [text: string, tone: Tone];
type Event<Type extends EventView["type"]> = Extract<EventView, { type: Type }>;

export class Ways {
  readonly #ways: ReadonlyMap<string, Step[]>;
  /** Those of the messages that were accepted and have no end yet. */
  readonly #open = new Set<string>();
  /** Members among the messages, by turn. */
  readonly #turns = new Map<string, string[]>();
  /** Calls that run, by their id. */
  readonly #calls = new Map<string, Step[]>();
  #process: { generation: number; started: boolean } | null = null;

  constructor(messageIds: Iterable<string>) {
    this.#ways = new Map(Array.from(messageIds, (id) => [id, []]));
  }

  /** In order; empty when no event has told of the message. */
  of(messageId: string): readonly Step[] {
    return this.#ways.get(messageId) ?? [];
  }

  take(event: EventView): void {
    switch (event.type) {
      case "message":
        this.#takeMessage(event);
        break;
      case "turn":
        this.#takeTurn(event);
        break;
      case "tool":
        this.#takeTool(event);
        break;
      case "reply":
        for (const id of event.reply.answers) this.#tell(id, event.at, replyStep(event.reply));
        break;
      case "process":
        this.#takeProcess(event);
        break;
      case "notice":
        this.#takeNotice(event);
        break;
      case "text":
        break;
    }
  }

  #takeMessage({ at, message }: Event<"message">): void {
    const { id, status } = message;
    const isKnown = this.#open.has(id);
    const isOpen = status === "queued" || status === "sent";
    if (isOpen && this.#ways.has(id)) this.#open.add(id);
    else this.#open.delete(id);
    // Accepting and handing over are one change when a process can take it at once.
    if (!isKnown && isOpen) this.#tell(id, at, ["accepted", "usual"]);
    const step = this.#messageStep(message, isKnown);
    if (step !== null) this.#tell(id, at, step);
  }

  #messageStep({ status, tries, ran, error }: Event<"message">["message"], isKnown: boolean): Told | null {
    switch (status) {
      case "queued":
        return isKnown ? ["put back: it is to be tried again", "unusual"] : null;
      case "sent":
        return this.#sentStep(tries);
      case "answered":
        return this.#process === null
          ? ["answered: the transcript held the answer, and nothing was asked again", "unusual"]
          : ["answered", "usual"];
      case "stopped":
        return [`stopped ${ran === true ? "while Claude worked on it" : "before Claude saw it"}`, "unusual"];
      case "refused":
      case "failed":
        return [error === null ? status : `${status}: ${error.message} (${error.code})`, "bad"];
    }
  }

  #sentStep(n: number): Told {
    const to = this.#process === null ? "" : `, process ${this.#process.generation}`;
    if (n === 1) return [`handed to Claude${to}`, "usual"];
    if (this.#process?.started === false)
      return [`taken up again where it was cut: try ${n}${to}`, "unusual"];
    return [`sent again: try ${n}${to}`, "unusual"];
  }

  #takeTurn({ at, turnId, state, messageIds }: Event<"turn">): void {
    const members = messageIds.filter((id) => this.#ways.has(id));
    if (members.length === 0) return;
    if (state !== "started" && state !== "joined") {
      this.#turns.delete(turnId);
      return;
    }
    this.#turns.set(turnId, [...(this.#turns.get(turnId) ?? []), ...members]);
    // An answer from the transcript gets a turn of its own, in which nobody works.
    if (this.#process === null) return;
    const text =
      state === "started" ? "Claude works on it" : "joined the running turn: one answer for all of it";
    for (const id of members) this.#tell(id, at, [text, "usual"]);
  }

  /** One step a call, which says at last what came of it. */
  #takeTool({ at, turnId, toolUseId, name, state }: Event<"tool">): void {
    if (state === "started") {
      const steps = (this.#turns.get(turnId) ?? []).flatMap((id) => {
        const step: Step = { at, text: `${name}: running`, tone: "usual" };
        this.#ways.get(id)?.push(step);
        return step;
      });
      if (steps.length > 0) this.#calls.set(toolUseId, steps);
      return;
    }
    for (const step of this.#calls.get(toolUseId) ?? []) {
      step.text = `${name}: ${callEnds[state]}`;
      if (state === "unknown") step.tone = "bad";
    }
    this.#calls.delete(toolUseId);
  }

  #takeProcess({ at, generation, state, reason }: Event<"process">): void {
    if (state === "ended") {
      this.#process = null;
      for (const id of this.#open) this.#tell(id, at, [`process ${generation} ended: ${reason}`, "unusual"]);
      return;
    }
    this.#process = { generation, started: state === "started" };
    if (state === "starting")
      for (const id of this.#open) this.#tell(id, at, [`process ${generation} starts`, "usual"]);
  }

  #takeNotice({ at, text }: Event<"notice">): void {
    for (const id of this.#open) this.#tell(id, at, [text, "unusual"]);
  }

  #tell(id: string, at: string, [text, tone]: Told): void {
    this.#ways.get(id)?.push({ at, text, tone });
  }
}

const callEnds = {
  finished: "done",
  failed: "failed",
  unknown: "outcome unknown, for its process ended while it ran",
};

function replyStep({ kind, text, status, attempts, error }: ReplyView): Told {
  const what = kind === "answer" ? "the reply" : "a notice";
  const quoted = kind === "answer" ? "" : `: ${text}`;
  const why = error === null ? "" : `: ${error.message}`;
  const tone = kind === "answer" ? "usual" : "unusual";
  switch (status) {
    case "pending":
      if (error !== null)
        return [`${what} did not go out by attempt ${attempts}, and is tried again${why}`, "unusual"];
      return [`${what} waits for its channel${quoted}`, tone];
    case "sending":
      return [`${what} is handed to its channel: attempt ${attempts}`, tone];
    case "sent":
      return attempts === 0 ? [`${what} is there${quoted}`, tone] : [`${what} was delivered`, tone];
    case "uncertain":
      return [`nobody knows whether ${what} went out${why}`, "bad"];
    case "failed":
      return [`${what} was given up${why}`, "bad"];
  }
}
