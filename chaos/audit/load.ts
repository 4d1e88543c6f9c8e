/** Reads a round's folder: the ledger by SQL, everything else as the lines that were written. Changes nothing. */

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import {
  type Accepted,
  type DaemonRecord,
  type Delivery,
  type EndFacts,
  type FaultRecord,
  files,
  noncePattern,
  type RequestRecord,
  type Sample,
} from "../evidence.ts";
import type { Case, RequestSeen } from "./case.ts";
import { noncesIn } from "./reading.ts";

export async function loadCase(folder: string): Promise<Case> {
  const lines = async <T, U = T>(name: string, pick: (record: T) => U[]): Promise<U[]> => {
    const picked: U[] = [];
    const path = join(folder, name);
    if (!existsSync(path)) return picked;
    for await (const line of createInterface({ input: createReadStream(path, "utf8") })) {
      picked.push(...pick(JSON.parse(line)));
    }
    return picked;
  };
  const all = <T>(name: string): Promise<T[]> => lines<T>(name, (record) => [record]);
  const end = join(folder, files.end);
  return {
    ...loadLedger(join(folder, files.home, "switchboard.db")),
    accepted: await all<Accepted>(files.accepted),
    requests: await lines<RequestRecord, RequestSeen>(files.requests, seen),
    samples: await all<Sample>(files.processes),
    faults: await all<FaultRecord>(files.faults),
    daemons: await all<DaemonRecord>(files.daemons),
    deliveries: await all<Delivery>(files.deliveries),
    end: existsSync(end) ? (JSON.parse(readFileSync(end, "utf8")) as EndFacts) : null,
  };
}

/** Only requests that run the model: a count of tokens is no turn. */
function seen({ n, at, kind, sessionId, generation, body }: RequestRecord): RequestSeen[] {
  return kind === "messages" ? [{ n, at, sessionId, generation, ...noncesIn(body) }] : [];
}

type Ledger = Pick<
  Case,
  "messages" | "replies" | "tries" | "turns" | "sessions" | "ends" | "processes" | "calls"
>;

function loadLedger(path: string): Ledger {
  // Not read-only: what a killed daemon left in the log is to be read too.
  const db = new DatabaseSync(path);
  const rows = (sql: string) => db.prepare(sql).all();
  const text = (value: unknown) => (value === null ? null : String(value));
  const number = (value: unknown) => (value === null ? null : Number(value));
  try {
    const members = Map.groupBy(
      rows("SELECT turn, message_id FROM turn_messages ORDER BY turn, n"),
      ({ turn }) => Number(turn),
    );
    return {
      messages: rows("SELECT * FROM messages ORDER BY chat_id, seq").map((row) => ({
        id: String(row.id),
        chatId: String(row.chat_id),
        seq: Number(row.seq),
        externalId: text(row.external_id),
        text: String(row.text),
        nonce: String(row.text).match(noncePattern)?.[0] ?? "",
        route: String(row.route),
        channel: text(row.channel),
        status: String(row.status),
        tries: Number(row.tries),
        errorCode: text(row.error_code),
        replyId: text(row.reply_id),
        acceptedAt: Number(row.accepted_at),
      })),
      replies: rows("SELECT * FROM replies").map((row) => ({
        id: String(row.id),
        chatId: String(row.chat_id),
        kind: String(row.kind),
        text: String(row.text),
        answers: JSON.parse(String(row.answers)),
        route: String(row.route),
        channel: text(row.channel),
        status: String(row.status),
        errorCode: text(row.error_code),
      })),
      tries: rows("SELECT * FROM tries ORDER BY message_id, n").map((row) => ({
        messageId: String(row.message_id),
        generation: Number(row.generation),
        kind: String(row.kind),
        progress: Number(row.progress),
        outcome: text(row.outcome),
      })),
      turns: rows("SELECT number, id, outcome FROM turns").map((row) => ({
        id: String(row.id),
        outcome: text(row.outcome),
        members: (members.get(Number(row.number)) ?? []).map(({ message_id }) => String(message_id)),
      })),
      sessions: rows("SELECT id, chat_id, sdk_session_id FROM sessions").map((row) => ({
        id: String(row.id),
        chatId: String(row.chat_id),
        sdkSessionId: text(row.sdk_session_id),
      })),
      ends: rows(
        `SELECT subject, data ->> 'status' AS status FROM events
         WHERE type = 'message' AND data ->> 'status' NOT IN ('queued', 'sent')`,
      ).map((row) => ({ messageId: String(row.subject), status: String(row.status) })),
      calls: rows("SELECT tool_use_id FROM tool_calls").map((row) => String(row.tool_use_id)),
      processes: rows("SELECT generation, ended_at FROM processes").map((row) => ({
        generation: Number(row.generation),
        endedAt: number(row.ended_at),
      })),
    };
  } finally {
    db.close();
  }
}
