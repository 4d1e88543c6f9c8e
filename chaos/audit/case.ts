/** All evidence of a round, as the checks see it: plain rows, so that tests can make them by hand. */

import type { Accepted, DaemonRecord, Delivery, EndFacts, FaultRecord, Sample } from "../evidence.ts";
import type { RequestNonces } from "./reading.ts";

export interface MessageRow {
  readonly id: string;
  readonly chatId: string;
  readonly seq: number;
  readonly externalId: string | null;
  readonly text: string;
  /** The only one in its text. */
  readonly nonce: string;
  readonly route: string;
  /** Null: its reply is fetched. */
  readonly channel: string | null;
  readonly status: string;
  readonly tries: number;
  readonly errorCode: string | null;
  readonly replyId: string | null;
  readonly acceptedAt: number;
}

export interface ReplyRow {
  readonly id: string;
  readonly chatId: string;
  readonly kind: string;
  readonly text: string;
  /** Ids of messages. */
  readonly answers: readonly string[];
  readonly route: string;
  /** Null: it is fetched. */
  readonly channel: string | null;
  readonly status: string;
  readonly errorCode: string | null;
}

export interface TryRow {
  readonly messageId: string;
  readonly generation: number;
  readonly kind: string;
  readonly progress: number;
  readonly outcome: string | null;
}

export interface TurnRow {
  readonly id: string;
  readonly outcome: string | null;
  readonly members: readonly string[];
}

export interface SessionRow {
  readonly id: string;
  readonly chatId: string;
  readonly sdkSessionId: string | null;
}

/** An event that says a message has an end. */
export interface EndEvent {
  readonly messageId: string;
  readonly status: string;
}

export interface ProcessRow {
  readonly generation: number;
  readonly endedAt: number | null;
}

export interface RequestSeen extends RequestNonces {
  readonly n: number;
  readonly at: number;
  readonly sessionId: string | null;
  readonly generation: number | null;
}

export interface Case {
  readonly messages: readonly MessageRow[];
  readonly replies: readonly ReplyRow[];
  readonly tries: readonly TryRow[];
  readonly turns: readonly TurnRow[];
  readonly sessions: readonly SessionRow[];
  readonly ends: readonly EndEvent[];
  readonly processes: readonly ProcessRow[];
  readonly accepted: readonly Accepted[];
  /** In the order in which they came. */
  readonly requests: readonly RequestSeen[];
  /** What the ledger knows of tool calls: their ids. */
  readonly calls: readonly string[];
  readonly samples: readonly Sample[];
  readonly faults: readonly FaultRecord[];
  readonly daemons: readonly DaemonRecord[];
  readonly deliveries: readonly Delivery[];
  /** Null: the round did not come to its end. */
  readonly end: EndFacts | null;
}
