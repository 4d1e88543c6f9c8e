/**
 * How a message comes in: its shape, its pace and what its channel makes of it are looked at, and then the ledger
 * accepts it.
 */

import { randomUUIDv7 } from "node:crypto";
import { type Channel, isStopWord, type Outboxes } from "./channels/index.ts";
import { type AttachmentFile, decodePictures, readAttachments } from "./contacts/attachments.ts";
import { chatIdSchema, type InboundInput, inboundSchema, parseInput } from "./contacts/inbound.ts";
import { sessionNameBase } from "./contacts/names.ts";
import { admitted, type Tiers } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { draining, refused, storage } from "./failures.ts";
import type { Acceptance, Inbound, Ledger, Message, MessageCommand } from "./ledger/index.ts";
import type { Approvals, Manager, RateLimit } from "./sessions/index.ts";
import { type MessageView, messageView, type Receipt } from "./views.ts";

export interface ReceptionParts {
  ledger: Ledger;
  manager: Manager;
  tiers: Tiers;
  rateLimit: RateLimit;
  approvals: Approvals;
  outboxes: Outboxes;
  /** As they are now: a reload changes them. */
  limits(): { textBytes: number; attachmentBytes: number };
  isRunning(): boolean;
}

export class Reception {
  readonly #parts: ReceptionParts;

  constructor(parts: ReceptionParts) {
    this.#parts = parts;
  }

  async receive(chatId: string, input: InboundInput): Promise<Receipt> {
    const channel = typeof input.channel === "string" ? this.#channel(input.channel) : null;
    return await this.receiveBy(channel, chatId, input);
  }

  #channel(name: string): Channel {
    const { outboxes } = this.#parts;
    const channel = outboxes.get(name);
    if (channel !== undefined) return channel;
    const known = outboxes.names.length === 0 ? "there are none" : `known: ${outboxes.names.join(", ")}`;
    throw new SwitchboardError("invalid_request", `channel: no such channel (${known})`, {
      field: "channel",
      hint: "Name it in switchboard.toml under [channels], or leave it out and fetch the replies.",
    });
  }

  /** `channel`: that it came by, and its replies go back by; null: they are fetched. */
  async receiveBy(channel: Channel | null, chatId: string, input: InboundInput): Promise<Receipt> {
    const { textBytes, attachmentBytes } = this.#parts.limits();
    parseInput(chatIdSchema, chatId, "chatId");
    const inbound = parseInput(inboundSchema, input);
    const size = Buffer.byteLength(inbound.text);
    if (size > textBytes) {
      const hint = "Send it in parts, or raise limits.text_bytes.";
      throw new SwitchboardError("too_large", `text: ${size} bytes (at most ${textBytes})`, {
        field: "text",
        hint,
      });
    }
    if (!this.#parts.isRunning()) throw draining();
    // The chat's own tier is looked at together with what the ledger knows of it; a sender's can only lower it.
    const senderTier = inbound.sender?.tier;
    if (senderTier !== undefined && !admitted.includes(senderTier)) throw refused(senderTier);
    const contact = inbound.contact ?? {};
    const attachments = readAttachments(inbound.attachments ?? [], attachmentBytes);
    const isPlain = channel !== null && attachments.length === 0;
    const command = isPlain ? this.#commandIn(chatId, inbound.text, channel) : null;
    // What the ledger knows already is told as it stands, however fast it comes.
    const pace = command === null ? await this.#take(chatId, contact.tier) : null;
    const given: Inbound = {
      id: randomUUIDv7(),
      chatId,
      externalId: inbound.id ?? null,
      text: inbound.text,
      attachments,
      sender: inbound.sender ?? null,
      channel: channel?.name ?? null,
      route: inbound.route ?? null,
      command,
      contact,
      sessionNameBase: sessionNameBase(contact.name ?? null, chatId),
    };
    const acceptance = await this.#accept(given, attachments, command === null && pace === null).catch(
      (error) => {
        pace?.giveBack();
        throw error;
      },
    );
    if (acceptance.kind !== "accepted") pace?.giveBack();
    switch (acceptance.kind) {
      case "accepted":
        return { message: this.#viewOf(acceptance.message), duplicate: false };
      case "duplicate":
        return { message: this.#viewOf(acceptance.message), duplicate: true };
      case "conflict":
        throw new SwitchboardError(
          "conflict",
          `id: ${inbound.id} came before with another text or other attachments`,
          {
            field: "id",
            hint: "Give each message an id of its own; repeat an id only with the same content.",
          },
        );
      case "refused":
        throw refused(acceptance.tier);
      case "crowded":
        if (command === null && pace === null) throw tooFast();
        throw new SwitchboardError("overloaded", "too many chats wait for a process already", {
          hint: "Send it again later; processes.max_waiting in switchboard.toml is the limit.",
        });
    }
  }

  /** Nothing is decoded for whoever is refused, nor of what the ledger knows already. */
  async #accept(
    given: Inbound,
    attachments: readonly AttachmentFile[],
    tooFast: boolean,
  ): Promise<Acceptance> {
    const { manager } = this.#parts;
    if (!tooFast && attachments.length > 0) {
      // They are known by their digests.
      const told = attachments.map((file) => ({ ...file, data: new Uint8Array() }));
      const known = await storage(manager.accept({ ...given, attachments: told }, { tooFast: true }));
      if (known.kind !== "crowded") return known;
      await decodePictures(attachments);
    }
    if (!this.#parts.isRunning()) throw draining();
    return await storage(manager.accept(given, { tooFast }));
  }

  /** One of what the chat, its tier and all may send. */
  async #take(chatId: string, tier: string | undefined): Promise<{ giveBack(): void } | null> {
    const { rateLimit, tiers, ledger } = this.#parts;
    // Who is looked up for nothing costs each message a read.
    if (![...tiers.all].some(({ messagesPerMinute }) => messagesPerMinute !== null))
      return rateLimit.take(chatId);
    const known = tier ?? (await storage(ledger.chat(chatId)))?.contact.tier ?? "";
    return rateLimit.take(chatId, tiers.get(known)?.messagesPerMinute ?? undefined);
  }

  #commandIn(chatId: string, text: string, channel: Channel): MessageCommand | null {
    if (isStopWord(text, channel.stopWords)) return "stop";
    return this.#parts.approvals.isAnswer(chatId, text) ? "answer" : null;
  }

  #viewOf(message: Message): MessageView {
    return messageView(message, this.#parts.manager.waitingOf(message));
  }
}

function tooFast(): SwitchboardError {
  return new SwitchboardError("rate_limited", "messages come faster than they may", {
    hint: "Send it again later; limits.chat_messages_per_minute, limits.messages_per_minute and tiers.NAME.messages_per_minute in switchboard.toml are the limits.",
  });
}
