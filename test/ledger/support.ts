/** What the ledger's tests share: a folder of their own, messages at the door, a session at work. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Claim,
  type Ending,
  type Inbound,
  type Lease,
  type Ledger,
  LedgerError,
  type LedgerErrorCode,
  type LedgerEvent,
  type Message,
  type Notice,
  openSqliteLedger,
  type Session,
  type Spending,
  type SqliteOptions,
  type Try,
  type TurnEnd,
} from "../../src/ledger/index.ts";

export const admitted = ["admin", "family"];

export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "switchboard-ledger-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** An open ledger in a folder of its own. */
export function withLedger(
  body: (ledger: Ledger, path: string) => Promise<void>,
  options: Omit<SqliteOptions, "path"> = {},
): Promise<void> {
  return withFolder((folder) => withLedgerAt({ ...options, path: join(folder, "ledger.db") }, body));
}

export async function withLedgerAt(
  options: SqliteOptions,
  body: (ledger: Ledger, path: string) => Promise<void>,
): Promise<void> {
  const ledger = await openSqliteLedger(options);
  try {
    await body(ledger, options.path);
  } finally {
    await ledger.close();
  }
}

export function inbound(chatId: string, text: string, fields: Partial<Inbound> = {}): Inbound {
  return {
    id: randomUUID(),
    chatId,
    externalId: null,
    text,
    sender: null,
    channel: null,
    route: null,
    command: null,
    contact: { tier: "family" },
    sessionNameBase: "chat",
    ...fields,
  };
}

/** Accepts a message that nothing speaks against. */
export async function accepted(
  ledger: Ledger,
  chatId: string,
  text: string,
  fields: Partial<Inbound> = {},
  claim?: Claim,
): Promise<Message> {
  const acceptance = await ledger.accept(inbound(chatId, text, fields), admitted, { claim });
  assert.equal(acceptance.kind, "accepted");
  return acceptance.message;
}

export interface Work {
  lease: Lease;
  session: Session;
  generation: number;
}

/** A lease on the chat, its session, and a process that serves it. */
export async function work(ledger: Ledger, chatId: string): Promise<Work> {
  await ledger.putContact(chatId, { tier: "family" }, "chat");
  const acquired = await ledger.acquire(chatId, "host");
  assert.ok("epoch" in acquired);
  const lease = { chatId, epoch: acquired.epoch };
  const session = await ledger.openSession(lease, randomUUID());
  const { generation } = await ledger.beginProcess(lease, session.id, "message");
  await ledger.processStarted(lease, generation, 4242);
  return { lease, session, generation };
}

/** A try to be charged that hands the message over. */
export function send(messageId: string, sdkUuid = messageId) {
  return { messageId, sdkUuid, kind: "send", progress: 0 } satisfies Partial<Try>;
}

/** A turn that has begun with the given messages, each charged. */
export async function turnOf(
  ledger: Ledger,
  { lease, session, generation }: Work,
  messages: Message[],
): Promise<string> {
  const id = randomUUID();
  const messageIds = messages.map((message) => message.id);
  await ledger.charge(
    lease,
    generation,
    messageIds.map((messageId) => send(messageId)),
  );
  await ledger.beginTurn(lease, { id, sessionId: session.id, generation, messageIds });
  return id;
}

/** A call of Bash that is about to begin. */
export function toolCall(turnId: string, toolUseId: string) {
  return { turnId, toolUseId, name: "Bash", input: '{"command":"ls"}', digest: "d" };
}

/** The end of a turn that answered. */
/** One request's worth. */
export function spent(more: Partial<Spending> = {}): Spending {
  return {
    ...{ day: "2026-01-31", tier: "family", model: "m", requests: 1, inputTokens: 10, outputTokens: 20 },
    ...{ cacheWriteTokens: 30, cacheReadTokens: 40, cost: 5_000_000_000_000 },
    ...more,
  };
}

export function answered(turnId: string, messages: Message[], fields: Partial<TurnEnd> = {}): TurnEnd {
  return {
    turnId,
    outcome: "answered",
    messageIds: messages.map((message) => message.id),
    reply: { id: randomUUID(), text: "an answer" },
    endings: [],
    notices: [],
    proven: null,
    usage: null,
    requestAt: null,
    firstByteAt: null,
    ...fields,
  };
}

/** A notice about these messages. */
export function notice(text: string, messages: Message[], id: string = randomUUID()): Notice {
  return { id, text, about: messages.map((message) => message.id) };
}

export async function rejects(call: Promise<unknown>, code: LedgerErrorCode, text?: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof LedgerError, `${error}`);
    assert.equal(error.code, code, error.message);
    if (text !== undefined) assert.match(error.message, text);
    return true;
  });
}

/** A ledger that must not open. */
export function refuses(options: SqliteOptions, code: LedgerErrorCode, text: RegExp): Promise<void> {
  return rejects(
    withLedgerAt(options, async () => {}),
    code,
    text,
  );
}

/** All committed events, by as many pages as it takes. */
export async function allEvents(ledger: Ledger, after = 0): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for (;;) {
    const page = await ledger.changes(events.at(-1)?.seq ?? after, { limit: 1000 });
    events.push(...page);
    if (page.length < 1000) return events;
  }
}

export function stopped({ id }: Message): Ending {
  return { messageId: id, status: "stopped", ran: false, error: null };
}
