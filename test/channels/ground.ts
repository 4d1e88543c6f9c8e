/** What the tests of channels share: a real ledger that makes replies, with the sample messenger before it. */

import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { join } from "node:path";
import {
  type AfterCrash,
  type ChannelHost,
  isStopWord,
  Outbox,
  type OutboxOptions,
} from "../../src/channels/index.ts";
import { type InboundInput, inboundSchema, parseInput } from "../../src/contacts/inbound.ts";
import type { Ledger, Message, Reply } from "../../src/ledger/index.ts";
import { silent } from "../../src/log.ts";
import { messageView, type Receipt } from "../../src/views.ts";
import {
  accepted,
  admitted,
  answered,
  inbound,
  turnOf,
  withFolder,
  withLedgerAt,
  work,
} from "../ledger/support.ts";
import { ManualClock } from "../sessions/manual-clock.ts";
import { eventually, within } from "../support/eventually.ts";
import { SampleChannel, SampleMessenger } from "./sample.ts";

/** ms. Less than an attempt's limit, so that a step forward never ends an attempt that has just begun. */
const stepMs = 29_000;

export interface GroundOptions {
  afterCrash?: AfterCrash;
  expireMs?: number;
}

/** One life of a daemon, as far as its channel goes. */
export interface Life {
  ledger: Ledger;
  clock: LedgerClock;
  messenger: SampleMessenger;
  channel: SampleChannel;
  host: LedgerHost;
  /** Has an outbox that runs, on this ledger or on one that stands before it. */
  outbox(ledger?: OutboxOptions["ledger"]): Promise<Outbox>;
}

/** The ledger's time, which is the machine's, and as much later as a test says; what waits, waits for the test alone. */
class LedgerClock extends ManualClock {
  /** ms by which the wall clock was set back after the ledger stamped what it holds. */
  setBackMs = 0;

  override now(): number {
    return Date.now() + super.now() - this.setBackMs;
  }
}

/** Two lives (or more) on one home, with the same messenger outside. */
export function withHome(
  body: (live: (life: (life: Life) => Promise<void>) => Promise<void>) => Promise<void>,
  { afterCrash = "resend", expireMs }: GroundOptions = {},
): Promise<void> {
  return withFolder(async (folder) => {
    const messenger = new SampleMessenger();
    await body((life) =>
      withLedgerAt({ path: join(folder, "ledger.db") }, async (ledger) => {
        const clock = new LedgerClock();
        const channel = new SampleChannel(messenger, afterCrash, expireMs);
        const host = new LedgerHost(ledger, channel);
        const outboxes: Outbox[] = [];
        await channel.start(host);
        try {
          await life({
            ledger,
            clock,
            messenger,
            channel,
            host,
            async outbox(on = ledger) {
              const outbox = new Outbox({ channel, ledger: on, clock, log: silent, random: () => 0.5 });
              outboxes.push(outbox);
              await outbox.start();
              return outbox;
            },
          });
        } finally {
          // As by a crash: what is under way is left as it is.
          const closed = outboxes.map((outbox) => outbox.close(AbortSignal.abort()));
          await within("the end of the outboxes", Promise.all(closed));
          await channel.stop();
        }
        assert.equal(clock.timers, 0, "a closed outbox waits for nothing");
      }),
    );
  });
}

export function withLife(body: (life: Life) => Promise<void>, options?: GroundOptions): Promise<void> {
  return withHome((live) => live(body), options);
}

/** Takes messages in as Switchboard does, without anybody who answers them. */
export class LedgerHost implements ChannelHost {
  readonly #ledger: Ledger;
  readonly #channel: SampleChannel;
  readonly woken: string[] = [];

  constructor(ledger: Ledger, channel: SampleChannel) {
    this.#ledger = ledger;
    this.#channel = channel;
  }

  async receive(chatId: string, input: InboundInput): Promise<Receipt> {
    const { id: externalId = null, text, route = null } = parseInput(inboundSchema, input);
    const command = isStopWord(text, this.#channel.stopWords) ? "stop" : null;
    const fields = { externalId, channel: this.#channel.name, route, command } as const;
    const acceptance = await this.#ledger.accept(inbound(chatId, text, fields), admitted);
    assert.ok("message" in acceptance, acceptance.kind);
    return { message: messageView(acceptance.message, null), duplicate: acceptance.kind === "duplicate" };
  }

  typing(chatId: string): void {
    this.woken.push(chatId);
  }
}

/** A reply to a new message that came by the sample channel, in the thread. */
export async function replied(ledger: Ledger, chatId: string, text: string, thread = "main"): Promise<Reply> {
  return await reply(
    ledger,
    await accepted(ledger, chatId, "?", { channel: "sample", route: { thread } }),
    text,
  );
}

export async function reply(ledger: Ledger, message: Message, text: string): Promise<Reply> {
  const at = await work(ledger, message.chatId);
  const turn = await turnOf(ledger, at, [message]);
  const end = answered(turn, [message], { reply: { id: randomUUIDv7(), text } });
  const { reply } = await ledger.endTurn(at.lease, end);
  assert.ok(reply !== null);
  return reply;
}

/** The reply as it stands. */
export async function replyNow(ledger: Ledger, { id, chatId }: Reply): Promise<Reply> {
  const rows = await ledger.history(chatId, { limit: 1000 });
  const row = rows.find((row) => row.id === id);
  assert.ok(row !== undefined && "kind" in row);
  return row;
}

export function untilIs(ledger: Ledger, reply: Reply, status: Reply["status"]): Promise<Reply> {
  return eventually(`the reply is ${status}`, async () => {
    const now = await replyNow(ledger, reply);
    return now.status === status && now;
  });
}

/** As `eventually`, while time goes on for whatever waits for its next attempt. */
export function inTime<T>(
  what: string,
  { ledger, clock }: Life,
  reply: Reply,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
): Promise<T> {
  return eventually(what, async () => {
    const found = await look();
    if (found === undefined || found === null || found === false) {
      if ((await replyNow(ledger, reply)).status === "pending") clock.advance(stepMs);
    }
    return found;
  });
}
