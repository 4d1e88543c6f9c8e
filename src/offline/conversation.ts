/** What a request shows of the conversation. Pure: the request is all there is. */
import { z } from "zod";
import { parts } from "./claude-code.ts";
import type { MessagesRequest } from "./messages-api.ts";

export interface Conversation {
  /** The messages of the turns before this one, oldest first. */
  readonly earlier: readonly string[];
  /** The messages that the answer is for: those of the running turn, also the ones folded into it. */
  readonly open: readonly string[];
  /** The person's name as Switchboard's contact facts tell it; a group's name is not a person's. */
  readonly contactName: string | undefined;
  /** What has already been said of an answer that was cut, when the request asks to go on with it; else empty. */
  readonly begun: string;
  /** The request asks for a summary (`summarize`) in the place of the conversation. */
  readonly compacting: boolean;
}

/** The texts that people sent, oldest first. */
export function userMessages(request: MessagesRequest): string[] {
  const { earlier, open } = readConversation(request);
  return [...earlier, ...open];
}

export function readConversation(request: MessagesRequest): Conversation {
  const messages: string[] = [];
  // Where the running turn begins in `messages`, and the one before it, which runs on when its answer was cut.
  let turn = 0;
  let turnBefore = 0;
  let answer = "";
  let begun = "";
  let contactName: string | undefined;
  let compacting = false;

  const endTurn = () => {
    turnBefore = turn;
    turn = messages.length;
  };
  for (const part of parts(request)) {
    switch (part.kind) {
      case "message": {
        const [, facts, text = part.text] = FACTS.exec(part.text) ?? [];
        contactName = nameIn(facts) ?? contactName;
        if (text !== "" && !NOTE.test(text)) messages.push(text);
        break;
      }
      case "answer":
        answer = begun + part.text;
        begun = "";
        endTurn();
        break;
      case "interrupted":
        endTurn();
        break;
      case "cut":
        if (turn < messages.length) break; // Nothing was said yet.
        begun = answer;
        turn = turnBefore;
        break;
      case "compact":
        compacting = true;
        break;
      case "compacted": {
        const summary = readSummary(part.text);
        contactName = summary.contactName;
        messages.push(...summary.earlier);
        endTurn();
        messages.push(...summary.open);
      }
    }
  }
  return { earlier: messages.slice(0, turn), open: messages.slice(turn), contactName, begun, compacting };
}

/** Switchboard's own text: one line of JSON, alone or, after a fold, before the message it came with. */
const FACTS = /^Contact facts from Switchboard: (\{.*\})\n?([\s\S]*)/;
/** What it tells beside a contact's words. */
const NOTE = /^A note from Switchboard: .*$/;
const factsSchema = z.object({ name: z.string(), kind: z.string().optional() });

function nameIn(facts: string | undefined): string | undefined {
  const { data } = factsSchema.safeParse(fromJson(facts));
  return data?.kind === "group" ? undefined : data?.name;
}

const SUMMARY = "Messages so far: ";
/** How many messages a summary keeps: like anybody, it forgets the oldest. */
const SUMMARY_LENGTH = 20;
const summarySchema = z.object({
  earlier: z.array(z.string()),
  open: z.array(z.string()),
  contactName: z.string().optional(),
});

/** The conversation in a form that `readConversation` understands when it comes back as a summary. */
export function summarize({ earlier, open, contactName }: Conversation): string {
  const summary = { earlier: earlier.slice(-SUMMARY_LENGTH), open, contactName };
  return `<summary>\n${SUMMARY}${JSON.stringify(summary)}\n</summary>`;
}

function readSummary(text: string): z.infer<typeof summarySchema> {
  const line = text.split("\n").find((line) => line.startsWith(SUMMARY));
  return summarySchema.safeParse(fromJson(line?.slice(SUMMARY.length))).data ?? { earlier: [], open: [] };
}

function fromJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
