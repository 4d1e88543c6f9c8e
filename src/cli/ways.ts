/** A message's timeline in plain words, and what of it is out of the usual. */

import type { Delivered, MessageView, TimelineEntry } from "../views.ts";

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
type Entry<What extends TimelineEntry["what"]> = Extract<TimelineEntry, { what: What }>;

/** Empty when the message came without its timeline. */
export function wayOf({ timeline = [], ran, error }: MessageView): Step[] {
  let tries = 0;
  return timeline.map((entry) => {
    if (entry.what === "handed_over") tries++;
    const [text, tone] = told(entry, tries, { ran, error });
    return { at: entry.at, text, tone };
  });
}

/** `tries`: with this step. */
function told(entry: TimelineEntry, tries: number, message: Pick<MessageView, "ran" | "error">): Told {
  switch (entry.what) {
    case "accepted":
      return ["accepted", "usual"];
    case "process_started":
      return [`process ${entry.generation} starts: ${entry.reason}`, "usual"];
    case "handed_over":
      return handedOver(entry, tries);
    case "turn_started":
      return ["Claude works on it", "usual"];
    case "turn_joined":
      return ["joined the running turn: one answer for all of it", "usual"];
    case "model_asked":
      return ["the model is asked", "usual"];
    case "model_answers":
      return ["the model begins to answer", "usual"];
    case "tool":
      return [`${entry.name}: ${toolStates[entry.state]}`, entry.state === "unknown" ? "bad" : "usual"];
    case "approval":
      return [
        `${entry.tool} needs a yes: ${entry.state}${entry.decidedBy === null ? "" : ` by ${entry.decidedBy}`}`,
        "unusual",
      ];
    case "turn_ended":
      return entry.outcome === "cut" ? ["the turn is cut", "unusual"] : ["the turn ends", "usual"];
    case "process_ended":
      return [`process ${entry.generation} ended: ${entry.reason}`, "unusual"];
    case "answer_found":
      return ["the transcript held the answer: nothing was asked again", "unusual"];
    case "remark":
      return [entry.text, "unusual"];
    case "notice":
      return delivery("a notice", `: ${entry.text}`, "unusual", entry);
    case "ended":
      return ending(entry, message);
    case "reply":
      return delivery("the reply", "", "usual", entry);
  }
}

function handedOver({ kind, generation }: Entry<"handed_over">, n: number): Told {
  if (kind === "continue")
    return [`taken up again where it was cut: try ${n}, process ${generation}`, "unusual"];
  return n === 1
    ? [`handed to Claude, process ${generation}`, "usual"]
    : [`sent again: try ${n}, process ${generation}`, "unusual"];
}

const toolStates = {
  started: "running",
  finished: "done",
  failed: "failed",
  unknown: "outcome unknown, for its process ended while it ran",
};

function ending({ status }: Entry<"ended">, { ran, error }: Pick<MessageView, "ran" | "error">): Told {
  switch (status) {
    case "stopped":
      return [`stopped ${ran === true ? "while Claude worked on it" : "before Claude saw it"}`, "unusual"];
    case "refused":
    case "failed":
      return [error === null ? status : `${status}: ${error.message} (${error.code})`, "bad"];
    case "answered":
    case "queued":
    case "sent":
      return [status, "usual"];
  }
}

/** How far it has come. `usual`: the tone of what goes as it should. */
function delivery(what: string, quoted: string, usual: Tone, { status, attempts, error }: Delivered): Told {
  const why = error === null ? "" : `: ${error.message}`;
  switch (status) {
    case "pending":
      if (error !== null)
        return [
          `${what} did not go out by attempt ${attempts}, and is tried again${why}${quoted}`,
          "unusual",
        ];
      return [`${what} waits for its channel${quoted}`, usual];
    case "sending":
      return [`${what} is handed to its channel: attempt ${attempts}${quoted}`, usual];
    case "sent":
      return [attempts === 0 ? `${what} is there${quoted}` : `${what} was delivered${quoted}`, usual];
    case "uncertain":
      return [`nobody knows whether ${what} went out${why}${quoted}`, "bad"];
    case "failed":
      return [`${what} was given up${why}${quoted}`, "bad"];
  }
}
