/**
 * Durable accepts per second: each is on disk (fsync) when it is acknowledged. At the ledger's port, over HTTP against
 * the real daemon, and the same rows by plain SQLite; slice by slice in turn, so that all meet the same machine.
 */

import { randomUUID, randomUUIDv7 } from "node:crypto";
import { join } from "node:path";
import { admitted } from "../src/contacts/tiers.ts";
import { type ContactPatch, type Ledger, openSqliteLedger } from "../src/ledger/index.ts";
import { drive, type Throughput, takeTurns } from "./callers.ts";
import { startAcceptingDaemon } from "./daemon.ts";
import { openPlainSqlite, type PlainSqlite } from "./plain.ts";
import { compared, type Row, rateRow } from "./report.ts";
import type { Run } from "./run.ts";
import { chatsInTurn, sampleChats, sampleText } from "./sample.ts";

export interface AcceptsPlan {
  /** How often each contender has its turn, after one that does not count. */
  rounds: number;
  /** How long a turn is, in ms. */
  sliceMs: number;
}

const callerCounts = [1, 16, 256];
const transactionSizes = [1, 256];

interface Contender {
  measure: string;
  name: string;
  /** Messages that each sample stands for. */
  messages: number;
  slice(): Promise<Throughput>;
}

export async function measureAccepts({ rounds, sliceMs }: AcceptsPlan, run: Run): Promise<Row[]> {
  await using closing = new AsyncDisposableStack();
  run.say("durable accepts: opening a ledger, plain SQLite, and a daemon with a full house");
  const daemon = await startAcceptingDaemon(
    join(run.folder, "accepting"),
    Math.max(...callerCounts),
    closing,
    run.signal,
  );
  const ledger = await openSqliteLedger({ path: join(run.folder, "ledger.db") });
  closing.defer(() => ledger.close());
  const sqlite = openPlainSqlite(join(run.folder, "plain.db"), sampleChats);
  closing.defer(() => sqlite.close());
  await Promise.all(sampleChats.map((chatId) => ledger.putContact(chatId, { tier: "family" }, chatId)));

  const load = { forMs: sliceMs, signal: run.signal };
  const acceptAtPort = acceptAt(ledger);
  const rivals: Contender[] = transactionSizes.map((messages) => ({
    measure: "the same rows, one writer",
    name: `plain SQLite, transactions of ${messages}`,
    messages,
    slice: async () => writeFor(sqlite, messages, sliceMs),
  }));
  const ours: Contender[] = callerCounts.flatMap((callers) => {
    const measure = `durable accepts, ${callers} ${callers === 1 ? "caller" : "callers"}`;
    return [
      {
        measure,
        name: "Switchboard, ledger port",
        messages: 1,
        slice: () => drive(acceptAtPort, { ...load, callers }),
      },
      {
        measure,
        name: "Switchboard, HTTP",
        messages: 1,
        slice: () => drive(daemon.accept, { ...load, callers }),
      },
    ];
  });

  const turns = await takeTurns("durable accepts", [...rivals, ...ours], rounds, run);
  const rows = turns.map(({ contender: { measure, name, messages }, samples, seconds }) =>
    rateRow(measure, name, samples, (samples.length * messages) / seconds),
  );
  const [single, batched, ...accepting] = rows;
  if (single === undefined || batched === undefined) throw new Error("plain SQLite was not measured");
  return [
    ...accepting.map((row) => compared(row, { "transactions of 1": single, "transactions of 256": batched })),
    single,
    batched,
  ];
}

function acceptAt(ledger: Ledger): () => Promise<void> {
  const nextChat = chatsInTurn();
  return () => accept(ledger, nextChat());
}

/** One message that nothing speaks against. */
export async function accept(
  ledger: Ledger,
  chatId: string,
  contact: ContactPatch = {},
  sessionNameBase = chatId,
): Promise<void> {
  const { kind } = await ledger.accept(
    {
      id: randomUUIDv7(),
      chatId,
      externalId: randomUUID(),
      text: sampleText,
      sender: null,
      channel: null,
      route: null,
      command: null,
      contact,
      sessionNameBase,
    },
    admitted,
  );
  if (kind !== "accepted") throw new Error(`a message was not accepted: ${kind}`);
}

function writeFor(sqlite: PlainSqlite, messages: number, forMs: number): Throughput {
  const samples: number[] = [];
  const begun = performance.now();
  while (performance.now() - begun < forMs) samples.push(sqlite.write(messages));
  return { samples, seconds: (performance.now() - begun) / 1000 };
}
