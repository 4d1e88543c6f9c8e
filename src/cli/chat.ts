/**
 * `chat`: talk in the terminal. What is typed while Claude works goes to it at once. From a pipe, each line is a
 * message whose answer is waited for before the next is sent.
 */

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import type { MessageView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { Conversation } from "./conversation.ts";
import { CliError } from "./exit.ts";
import { follow } from "./follow.ts";
import { jsonScreen, textScreen } from "./screen.ts";
import { type ContactOptions, contactOf, named } from "./send.ts";

export interface ChatOptions extends ContactOptions {
  json?: true;
}

/** Whether every message was answered. */
export async function chat(client: Client, chatId: string, options: ChatOptions): Promise<boolean> {
  const isInteractive = process.stdin.isTTY && process.stdout.isTTY && options.json !== true;
  const screen = options.json === true ? jsonScreen : textScreen();
  const conversation = new Conversation(screen);
  const closed = new AbortController();
  const opened = Promise.withResolvers<void>();
  const following = listen();
  await Promise.race([opened.promise, following]);

  const lines = createInterface({
    input: process.stdin,
    ...(isInteractive && { output: process.stdout, prompt: "> " }),
  });
  // Its failure ends the conversation wherever it stands, and is thrown at the end.
  let isLost = false;
  let goOn = () => {};
  following.catch(() => {
    isLost = true;
    lines.close();
    goOn();
  });
  let isStopping = false;
  lines.on("SIGINT", () => {
    if (conversation.isIdle || isStopping) return lines.close();
    isStopping = true;
    void client.post(chatPath(chatId, "/stop")).catch(() => lines.close());
  });
  const idle = () => {
    isStopping = false;
    if (isInteractive) lines.prompt();
  };
  conversation.onIdle = idle;
  idle();
  try {
    for await (const line of lines) {
      if (isInteractive) screen.typed();
      if (line.trim() !== "") await say(line);
      else if (conversation.isIdle) idle();
    }
    if (isInteractive) process.stdout.write("\n");
  } finally {
    lines.close();
    closed.abort();
    await following;
  }
  return isInteractive || conversation.unanswered === 0;

  async function listen(): Promise<void> {
    const path = chatPath(chatId, "/events");
    const onOpen = () => {
      opened.resolve();
      for (const id of conversation.openIds) void look(id);
    };
    for await (const event of follow(client, path, { signal: closed.signal, opened: onOpen })) {
      conversation.on(event);
    }
  }

  /** After a cut: what a message has come to meanwhile. */
  async function look(id: string): Promise<void> {
    const message = await client.get<MessageView>(`/v1/messages/${id}`).catch(() => null);
    if (message !== null) conversation.see(message);
  }

  async function say(text: string): Promise<void> {
    const id = randomUUID();
    conversation.expect(id);
    try {
      const body = { text, id, ...contactOf(options) };
      conversation.see(await client.post<MessageView>(chatPath(chatId, "/messages"), body));
    } catch (error) {
      conversation.forget(id);
      throw error instanceof CliError ? named(error) : error;
    }
    if (isInteractive || conversation.isIdle || isLost) return;
    await new Promise<void>((resolve) => {
      goOn = conversation.onIdle = resolve;
    });
  }
}
