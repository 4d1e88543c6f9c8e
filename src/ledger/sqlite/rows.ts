/** Rows as the port's types. Each `select…` text names the columns that its reader expects. */

import type {
  Approval,
  ApprovalState,
  Attachment,
  Chat,
  Contact,
  Failure,
  Message,
  MessageStatus,
  PortableChat,
  ProcessRecord,
  QueueMode,
  Reply,
  ReplyStatus,
  Session,
  ToolCall,
  ToolState,
  Try,
  TryOutcome,
  Turn,
  TurnOutcome,
} from "../ledger.ts";

/** Written the same way wherever open messages are meant: only then does SQLite use the partial index. */
export const isOpen = "status IN ('queued', 'sent')";
/** The same of replies that their channel has not answered for yet, and of those that it has given up. */
export const isToSend = "status IN ('pending', 'sending')";
export const isUndelivered = "status IN ('uncertain', 'failed')";

export interface ChatRow {
  chat_id: string;
  name: string | null;
  tier: string;
  is_group: number;
  queue_mode: QueueMode | null;
  session_name: string;
  open: number;
  last_message_at: number | null;
  created_at: number;
  active_at: number;
  turns: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  unproven_session_id: string | null;
  extra: string | null;
}

export const selectChat = `
  SELECT *, (SELECT count(*) FROM messages WHERE messages.chat_id = chats.chat_id AND ${isOpen}) AS open
  FROM chats`;

export function chatOf(row: ChatRow, session: SessionRow | undefined): Chat {
  return {
    chatId: row.chat_id,
    contact: contactOf(row),
    sessionName: row.session_name,
    session: session === undefined ? null : sessionOf(session),
    unprovenSessionId: row.unproven_session_id,
    open: row.open,
    lastMessageAt: row.last_message_at,
    createdAt: row.created_at,
    usage: {
      turns: row.turns,
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      costUsd: row.cost_usd,
    },
  };
}

export function portableOf(row: ChatRow & { sdk_session_id: string | null }): PortableChat {
  return {
    chatId: row.chat_id,
    contact: contactOf(row),
    sessionName: row.session_name,
    sessionId: row.sdk_session_id ?? row.unproven_session_id,
    createdAt: row.created_at,
    lastMessageAt: row.last_message_at,
    extra: row.extra,
  };
}

export type ContactRow = Pick<ChatRow, "name" | "tier" | "is_group" | "queue_mode">;

export function contactOf({ name, tier, is_group, queue_mode }: ContactRow): Contact {
  return { name, tier, group: is_group === 1, queueMode: queue_mode };
}

export interface SessionRow {
  id: string;
  chat_id: string;
  sdk_session_id: string | null;
  told_facts: string | null;
  created_at: number;
  ended_at: number | null;
  put_aside: number | null;
}

export const selectCurrentSession = "SELECT * FROM sessions WHERE chat_id = ? AND put_aside IS NULL";

export function sessionOf(row: SessionRow): Session {
  return {
    id: row.id,
    chatId: row.chat_id,
    sdkSessionId: row.sdk_session_id,
    toldFacts: row.told_facts,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

interface ErrorRow {
  error_code: string | null;
  error_message: string | null;
}

/** What changes in a message, and what its events carry. */
export interface MessageState extends ErrorRow {
  status: MessageStatus;
  ran: number | null;
  tries: number;
  reply_id: string | null;
  accepted_at: number;
}

export interface MessageRow extends MessageState {
  id: string;
  chat_id: string;
  seq: number;
  external_id: string | null;
  text: string;
  sender: string | null;
  channel: string | null;
  route: string;
  command: Message["command"];
  attachments: string | null;
  sent_at: number | null;
  ended_at: number | null;
}

export const selectMessage = "SELECT * FROM messages";

export function messageOf(row: MessageRow, reply: ReplyRow | undefined): Message {
  return {
    id: row.id,
    externalId: row.external_id,
    chatId: row.chat_id,
    seq: row.seq,
    text: row.text,
    attachments: attachmentsOf(row),
    sender: row.sender === null ? null : JSON.parse(row.sender),
    channel: row.channel,
    route: JSON.parse(row.route),
    command: row.command,
    status: row.status,
    ran: ranOf(row),
    tries: row.tries,
    error: errorOf(row),
    reply: reply === undefined ? null : replyOf(reply),
    acceptedAt: row.accepted_at,
    sentAt: row.sent_at,
    endedAt: row.ended_at,
  };
}

export function attachmentsOf({ attachments }: { attachments: string | null }): Attachment[] {
  if (attachments === null) return [];
  const kept: Array<Attachment & { sha256: string }> = JSON.parse(attachments);
  return kept.map(({ name, type, bytes }) => ({ name, type, bytes }));
}

export function ranOf(state: MessageState): boolean | null {
  return state.ran === null ? null : state.ran === 1;
}

export function errorOf({ error_code: code, error_message: message }: ErrorRow): Failure | null {
  return code === null || message === null ? null : { code, message };
}

export interface ReplyRow extends ErrorRow {
  id: string;
  chat_id: string;
  seq: number;
  kind: Reply["kind"];
  text: string;
  answers: string;
  channel: string | null;
  route: string;
  status: ReplyStatus;
  attempts: number;
  due_at: number | null;
  pause_ms: number | null;
  created_at: number;
}

export function replyOf(row: ReplyRow): Reply {
  return {
    id: row.id,
    chatId: row.chat_id,
    seq: row.seq,
    kind: row.kind,
    text: row.text,
    answers: JSON.parse(row.answers),
    channel: row.channel,
    route: JSON.parse(row.route),
    status: row.status,
    attempts: row.attempts,
    dueAt: row.due_at,
    pauseMs: row.pause_ms,
    error: errorOf(row),
    createdAt: row.created_at,
  };
}

export interface TryRow {
  message_id: string;
  n: number;
  sdk_uuid: string;
  generation: number;
  epoch: number;
  kind: Try["kind"];
  progress: number;
  outcome: TryOutcome | null;
  charged_at: number;
}

export function tryOf(row: TryRow): Try {
  return {
    messageId: row.message_id,
    n: row.n,
    sdkUuid: row.sdk_uuid,
    generation: row.generation,
    epoch: row.epoch,
    kind: row.kind,
    progress: row.progress,
    outcome: row.outcome,
    chargedAt: row.charged_at,
  };
}

export interface TurnRow {
  number: number;
  id: string;
  chat_id: string;
  session_id: string;
  generation: number;
  outcome: TurnOutcome | null;
  started_at: number;
  request_at: number | null;
  first_byte_at: number | null;
  ended_at: number | null;
}

export function turnOf(row: TurnRow, messageIds: string[]): Turn {
  return {
    id: row.id,
    chatId: row.chat_id,
    sessionId: row.session_id,
    generation: row.generation,
    messageIds,
    outcome: row.outcome,
    startedAt: row.started_at,
    requestAt: row.request_at,
    firstByteAt: row.first_byte_at,
    endedAt: row.ended_at,
  };
}

export interface ToolCallRow {
  number: number;
  tool_use_id: string;
  turn_id: string;
  generation: number;
  name: string;
  input: string;
  digest: string;
  state: ToolState;
  started_at: number;
  ended_at: number | null;
}

export const selectToolCall = `
  SELECT tool_calls.*, turns.id AS turn_id, turns.generation FROM tool_calls
  JOIN turns ON turns.number = tool_calls.turn`;

export function toolCallOf(row: ToolCallRow): ToolCall {
  return {
    toolUseId: row.tool_use_id,
    turnId: row.turn_id,
    generation: row.generation,
    name: row.name,
    input: row.input,
    digest: row.digest,
    state: row.state,
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}

export interface ApprovalRow {
  id: string;
  chat_id: string;
  message_id: string;
  name: string;
  input: string;
  digest: string;
  reason: string;
  state: ApprovalState;
  decided_by: string | null;
  asked_at: number;
  until: number;
  ended_at: number | null;
}

export function approvalOf(row: ApprovalRow): Approval {
  return {
    id: row.id,
    chatId: row.chat_id,
    messageId: row.message_id,
    name: row.name,
    input: row.input,
    digest: row.digest,
    reason: row.reason,
    state: row.state,
    decidedBy: row.decided_by,
    askedAt: row.asked_at,
    until: row.until,
    endedAt: row.ended_at,
  };
}

export interface ProcessRow {
  generation: number;
  chat_id: string;
  session_id: string;
  pid: number | null;
  started_at: number;
  ended_at: number | null;
  start_reason: string;
  end_reason: string | null;
}

export function processOf(row: ProcessRow): ProcessRecord {
  return {
    generation: row.generation,
    chatId: row.chat_id,
    sessionId: row.session_id,
    pid: row.pid,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    startReason: row.start_reason,
    endReason: row.end_reason,
  };
}
