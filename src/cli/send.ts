/**
 * `send`: one message, and its answer if it is waited for. Each message bears an external id, so that asking again
 * after a wait that was too long for one request is never a second message.
 */

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import type { MessageView } from "../views.ts";
import { type Client, chatPath } from "./client.ts";
import { CliError } from "./exit.ts";
import { whileWaiting } from "./patience.ts";
import { printJson, printLine } from "./print.ts";

/** Longest wait of one request, in seconds: well below the limits of clients and proxies on the way. */
const waitStep = 60;

/** What a contact may be named to be. */
export const tiers = ["admin", "partner", "family", "favorite", "bots"];

/** What may become of a message that comes while Claude works; `tier`: what the contact's tier says. */
export const queueModes = ["steer", "queue", "collect", "interrupt", "tier"];

export interface ContactOptions {
  name?: string;
  tier?: string;
  group?: true;
  queueMode?: string;
}

export interface SendOptions extends ContactOptions {
  id?: string;
  /** Files to send along. */
  attach?: string[];
  json?: true;
  /** Seconds; `true`: until it ends. */
  wait?: number | true;
}

/** Resolves when the message is accepted; with `wait` when it is answered, and rejects when it ends otherwise. */
export async function send(
  client: Client,
  chatId: string,
  given: string,
  options: SendOptions,
): Promise<void> {
  const text = given === "-" ? await standardInput() : given;
  const message = await whileWaiting("waiting for the answer", deliver(client, chatId, text, options));
  if (options.wait !== undefined && message.status !== "answered") throw notAnswered(chatId, message);
  if (options.json === true) printJson(message);
  else if (options.wait === undefined) printLine(`accepted as ${message.id} (${message.status})`);
  else printLine(message.reply?.text ?? "");
}

function notAnswered(chatId: string, message: MessageView): CliError {
  const { id, status, error } = message;
  if (message.endedAt === null) {
    return new CliError("still_waiting", `no answer yet; the message ${id} goes on (${status})`, {
      hint: `See \`switchboard show ${chatId}\``,
      shown: message,
    });
  }
  const why = error === null ? "" : `: ${error.message}`;
  return new CliError(error?.code ?? status, `the message ended ${status}${why}`, {
    exit: "failed",
    shown: message,
  });
}

async function deliver(
  client: Client,
  chatId: string,
  text: string,
  options: SendOptions,
): Promise<MessageView> {
  const path = chatPath(chatId, "/messages");
  const attachments = await Promise.all((options.attach ?? []).map(attached));
  const body = { text, id: options.id ?? randomUUID(), attachments, ...contactOf(options) };
  const until = options.wait === undefined ? 0 : performance.now() + seconds(options.wait) * 1000;
  let accepted: MessageView | null = null;
  for (;;) {
    const left = Math.min(waitStep, Math.max(0, Math.ceil((until - performance.now()) / 1000)));
    try {
      accepted = await client.post<MessageView>(`${path}?wait=${left}`, body);
    } catch (error) {
      if (error instanceof CliError) throw accepted === null ? named(error) : lost(error, accepted);
      throw error;
    }
    if (accepted.endedAt !== null || left === 0) return accepted;
  }
}

function seconds(wait: number | true): number {
  return wait === true ? Number.POSITIVE_INFINITY : wait;
}

/** The part of a message that names the contact, if an option does. */
export function contactOf({ name, tier, group, queueMode }: ContactOptions): { contact?: object } {
  const contact = {
    ...(name !== undefined && { name }),
    ...(tier !== undefined && { tier }),
    ...(group !== undefined && { group }),
    ...(queueMode !== undefined && { queueMode: queueMode === "tier" ? null : queueMode }),
  };
  return Object.keys(contact).length === 0 ? {} : { contact };
}

/** A chat that nobody has named is refused; here is how one names it. */
export function named(error: CliError): CliError {
  if (error.code !== "refused_contact") return error;
  return new CliError(error.code, error.message, {
    hint: `Say who it is: --tier family --name "Their name" (tiers: ${tiers.join(", ")}).`,
  });
}

function lost(error: CliError, message: MessageView): CliError {
  return new CliError(error.code, `the message ${message.id} is accepted, but then ${error.message}`, {
    hint: error.hint,
  });
}

async function attached(file: string): Promise<{ name: string; data: string }> {
  try {
    return { name: basename(file), data: await readFile(file, "base64") };
  } catch (error) {
    throw new CliError("invalid_attachment", `${file} cannot be read: ${String(error)}`);
  }
}

async function standardInput(): Promise<string> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await buffer(process.stdin));
    // The end of the last line belongs to the file, not to the text.
    return text.replace(/\r?\n$/, "");
  } catch {
    throw new CliError("invalid_text", "what comes from stdin is not valid UTF-8");
  }
}
