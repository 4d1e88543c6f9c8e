/**
 * The default answer. Pure and without memory of its own: what it remembers is what the request shows,
 * so an answer proves what the session kept.
 */
import { readConversation, summarize } from "./conversation.ts";
import type { MessagesRequest } from "./messages-api.ts";

/** How many messages "What did I say?" quotes at most. */
const RECALLED = 10;

/** One line for each message of the running turn. */
export function answer(request: MessagesRequest): string {
  const conversation = readConversation(request);
  if (conversation.compacting) return summarize(conversation);
  const { earlier, open, contactName, begun } = conversation;
  const lines = open.map((message, i) => reply(message, [...earlier, ...open.slice(0, i)], contactName));
  const whole =
    lines.length > 0 ? lines.join("\n") : `There is no new message. ${remembering(earlier.length)}`;
  return whole.startsWith(begun) ? whole.slice(begun.length) : whole;
}

function reply(message: string, earlier: readonly string[], contactName: string | undefined): string {
  const said = earlier.filter((text) => !["what did i just say", "what did i say"].includes(question(text)));
  switch (question(message)) {
    case "what did i just say": {
      const last = said.at(-1);
      return last === undefined ? "You have not said anything yet." : `You just said: ${quote(last)}.`;
    }
    case "what did i say":
      if (said.length === 0) return "You have not said anything yet.";
      return `You said, newest first: ${said.slice(-RECALLED).reverse().map(quote).join(", ")}.`;
    case "what is my name": {
      const name = earlier.map(nameTold).findLast((name) => name !== undefined) ?? contactName;
      return name === undefined ? "You have not told me your name." : `Your name is ${name}.`;
    }
    default:
      return `You said: ${quote(message)}. ${remembering(earlier.length)}`;
  }
}

/** The message as a question to compare: without a group's speaker, case, spacing and end punctuation. */
function question(message: string): string {
  if (message.length > 200) return "";
  return message
    .replace(/^[^:\n]{1,80}: /, "")
    .trim()
    .toLowerCase()
    .replace(/[\s?!.…]+$/, "")
    .replace(/\s+/g, " ");
}

const NAME = String.raw`\p{L}[\p{L}\p{M}'’.-]*[\p{L}\p{M}]|\p{L}`;
const CAPITALISED = String.raw`(?=\p{Lu}|\p{Lo})(?:${NAME})`;
const FULL_NAME = `(?: ${CAPITALISED})*`;
const TOLD = [
  new RegExp(String.raw`\b[Mm]y name is ((?:${NAME})${FULL_NAME})`, "u"),
  // "I am tired" and "call me later" tell no name: here it has to be capitalised.
  new RegExp(String.raw`\b(?:I am|I['’]m|[Cc]all me) (${CAPITALISED}${FULL_NAME})`, "u"),
];

function nameTold(message: string): string | undefined {
  for (const pattern of TOLD) {
    const name = pattern.exec(message)?.[1];
    if (name !== undefined) return name;
  }
  return undefined;
}

function quote(text: string): string {
  return `"${text}"`;
}

function remembering(count: number): string {
  if (count === 0) return "I remember no earlier messages.";
  return `I remember ${count} earlier message${count === 1 ? "" : "s"}.`;
}
