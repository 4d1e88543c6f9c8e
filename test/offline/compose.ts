/** Requests as Claude Code 2.1.330 composes them, as far as the tests need. */
import type { MessagesRequest } from "../../src/offline/messages-api.ts";

type Message = MessagesRequest["messages"][number];

export const request = (...messages: Message[]): MessagesRequest => ({
  model: "claude-sonnet-5-5",
  messages,
});

export const user = (...texts: string[]): Message => ({
  role: "user",
  // The CLI appends a line feed to all but the last block of a turn that holds several messages.
  content: texts.map((text, i) => ({ type: "text", text: i < texts.length - 1 ? `${text}\n` : text })),
});

export const assistant = (text: string): Message => ({
  role: "assistant",
  content: [{ type: "text", text }],
});

export const system = (text: string): Message => ({ role: "system", content: text });

export const toolCall = (id = "toolu_1"): Message => ({
  role: "assistant",
  content: [
    { type: "text", text: "I will look." },
    { type: "tool_use", id, name: "Bash", input: { command: "ls" } },
  ],
});

export const toolResult = (content: unknown, ...texts: string[]): Message => ({
  role: "user",
  content: [
    { type: "tool_result", tool_use_id: "toolu_1", content },
    ...texts.map((text) => ({ type: "text", text })),
  ],
});

export const fold = (text: string) =>
  `The user sent a new message while you were working:\n${text}\n\nThis is how Claude Code surfaces messages the user sends mid-turn — within the running turn, often alongside the next tool result, rather than as a separate conversation turn. Address the message above as you continue this turn.`;

export const reminder = (text: string) => `<system-reminder>\n${text}\n</system-reminder>`;

export const facts = (fields: object) => `Contact facts from Switchboard: ${JSON.stringify(fields)}`;

export const ENVIRONMENT =
  "# Environment\nYou have been invoked in the following environment: \n - Platform: linux";
