/**
 * `show`: one chat, its last messages, and what became of those that met trouble or are not answered yet; or the whole way
 * of one message.
 */

import type { ChatView, MessageView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { CliError } from "./exit.ts";
import { History } from "./history.ts";
import { latest } from "./log.ts";
import { columns, printable, printableLine, printJson, printPainted } from "./print.ts";
import { mebibytes, statePaint } from "./sessions.ts";
import { untilText } from "./trouble.ts";
import { type Step, wayOf } from "./ways.ts";

/** Messages and replies. */
const lastFew = 6;

export async function show(client: Client, chatId: string, { json }: { json?: true }): Promise<void> {
  const chat = await client.get<ChatView>(chatPath(chatId));
  if (json === true) return printJson(chat);
  const entries = await latest(client, chatId, lastFew, { timeline: true });
  for (const [name, value] of facts(chat)) printPainted(`${name}:`.padEnd(14) + value);
  const history = new History({ contact: chat.contact.name ?? chatId, columns });
  const shown = entries.map((entry) =>
    history.entry(entry, entry.type === "message" ? wayToTell(entry) : []),
  );
  if (shown.length > 0) printPainted(`\n${shown.join("\n")}`);
}

/** One message from its acceptance to its reply's delivery. */
export async function showMessage(
  client: Client,
  chatId: string,
  messageId: string,
  { json }: { json?: true },
): Promise<void> {
  const chat = await client.get<ChatView>(chatPath(chatId));
  const message = await client.get<MessageView>(
    `/v1/messages/${encodeURIComponent(messageId)}?timeline=true`,
  );
  if (message.chatId !== chat.chatId)
    throw new CliError("not_found", `the message ${messageId} is none of the chat ${chatId}`);
  if (json === true) return printJson(message);
  const history = new History({ contact: chat.contact.name ?? chatId, columns });
  printPainted(history.entry({ type: "message", ...message }, wayOf(message)));
  if (message.reply === null) return;
  const at = message.endedAt ?? message.acceptedAt;
  const reply = { type: "reply" as const, chatId, seq: message.seq, createdAt: at, ...message.reply };
  printPainted(history.entry(reply));
}

/** What goes as it should is told by the reply. The id leads to the rest. */
function wayToTell(message: MessageView): Step[] {
  const way = wayOf(message);
  if (way.every(({ tone }) => tone === "usual")) return [];
  return way.map((step, at) => (at === 0 ? { ...step, text: `${step.text} as ${message.id}` } : step));
}

function facts(chat: ChatView): string[][] {
  const { contact, process: running, usage } = chat;
  const why = whyText(chat);
  return [
    ["chat", printable(chat.chatId)],
    ["contact", printable(contact.name ?? "(no name)")],
    ["tier", contact.group ? `${contact.tier}, a group` : contact.tier],
    ["queue mode", contact.queueMode ?? "as the tier says"],
    ["session", `${chat.sessionName}, ${chat.sessionId ?? "not begun yet"}`],
    ["state", statePaint[chat.state](chat.state)],
    ...(why === null ? [] : [["why", printableLine(why)]]),
    ["process", running === null ? "none" : processText(running)],
    ["open", `${chat.queued} ${chat.queued === 1 ? "message" : "messages"}`],
    ["last message", chat.lastMessageAt ?? "never"],
    ["since", chat.createdAt],
    [
      "used",
      `${usage.turns} turns, ${usage.inputTokens} tokens in, ${usage.outputTokens} out, $${usage.costUsd.toFixed(4)}`,
    ],
  ];
}

/** Why nothing is done for the chat; null when there is nothing to explain. */
export function whyText({ state, held }: Pick<ChatView, "state" | "held">): string | null {
  if (held === null || state === "quarantined") return held?.reason ?? null;
  return `The model's API lets nobody through until ${untilText(held.until)}: ${held.reason}`;
}

function processText({ pid, generation, memoryBytes, since }: NonNullable<ChatView["process"]>): string {
  const memory = memoryBytes === null ? "" : `, ${mebibytes(memoryBytes)}`;
  return `${pid ?? "starting"}, generation ${generation}${memory}, since ${since}`;
}
