/**
 * What callers see: the shapes of the HTTP API and of the library, which are the same. Times are ISO 8601 in UTC.
 * A view joins what the ledger says with what the live session says; here are the types and the pure conversions.
 */

import type {
  Approval,
  ApprovalState,
  Attachment,
  Chat,
  Contact,
  Failure,
  Json,
  LedgerEvent,
  Message,
  MessageStatus,
  PendingChat,
  ProcessRecord,
  Reply,
  ReplyStatus,
  Spending,
  ToolState,
  Try,
  TryOutcome,
  TurnOutcome,
  Usage,
} from "./ledger/ledger.ts";

/** Why an open message has no answer yet. */
export type WaitingFor = "slot" | "start" | "model" | "tool" | "approval" | "limit" | "compaction" | "budget";

export interface Waiting {
  for: WaitingFor;
  /** When it is expected to go on, for `limit` and `budget`; when nobody waits for an answer any more, for `approval`. */
  until?: string;
  /** Place in the line, from 1, for `slot`. */
  position?: number;
  /**
   * What will happen with a message that waits behind a running turn: it joins it (`join`), begins one of its own
   * (`next`), begins one with others that come shortly (`collect`), or has stopped the running one (`interrupt`).
   */
  plan?: "join" | "next" | "collect" | "interrupt";
}

export interface ReplyView {
  id: string;
  kind: "answer" | "notice";
  text: string;
  /** Ids of the messages that it answers. */
  answers: string[];
  status: ReplyStatus;
  /** How often it was handed to its channel; 0 when it is fetched. */
  attempts: number;
  /** Why the last attempt came to nothing. */
  error: Failure | null;
}

export interface MessageView {
  id: string;
  externalId: string | null;
  chatId: string;
  /** Place among the chat's messages and replies, from 1. */
  seq: number;
  text: string;
  attachments: Attachment[];
  status: MessageStatus;
  /** Of a stopped message: whether the model had begun to work on it. */
  ran: boolean | null;
  waiting: Waiting | null;
  tries: number;
  error: Failure | null;
  reply: ReplyView | null;
  acceptedAt: string;
  sentAt: string | null;
  endedAt: string | null;
  /** What happened to it, oldest first; only where it was asked for. */
  timeline?: TimelineEntry[];
}

/** How far a reply has come through its channel. */
export type Delivered = Pick<ReplyView, "status" | "attempts" | "error">;

/** A step on a message's way, and when it was taken. */
export type TimelineEntry = { at: string } & (
  | { what: "accepted" }
  /** Of the processes that it was handed to: one that was started for it, and one that was gone before it had ended. */
  | { what: "process_started" | "process_ended"; generation: number; reason: string }
  /** It was handed to a process. `outcome` is null while that goes on; `continue`: to take up a turn that was cut. */
  | { what: "handed_over"; generation: number; kind: Try["kind"]; outcome: TryOutcome | null }
  /** With it, or, when it ran already, without: what was done in it before then is not told here. */
  | { what: "turn_started" | "turn_joined"; turnId: string; generation: number }
  /** The turn's first request to the model, and the first byte of the answer; known when the turn has ended. */
  | { what: "model_asked" }
  | { what: "model_answers" }
  /** `input`: as JSON, its first 2000 characters. */
  | { what: "tool"; turnId: string; name: string; input: string; state: ToolState; endedAt: string | null }
  | { what: "approval"; tool: string; state: ApprovalState; decidedBy: string | null; endedAt: string | null }
  | { what: "turn_ended"; outcome: TurnOutcome }
  /** By what a process that was gone had left in the transcript; the model was not asked again. */
  | { what: "answer_found"; generation: number }
  /** What its sender was told besides an answer, and how far that has come by its channel. */
  | ({ what: "notice"; text: string } & Delivered)
  /** What happened in its chat meanwhile that the operator should know. */
  | { what: "remark"; code: string; text: string }
  | { what: "ended"; status: MessageStatus }
  /** Its answer: as of now, not as it was when it was made. */
  | ({ what: "reply" } & Delivered)
);

/** One line of a chat's history. */
export type HistoryEntry =
  | ({ type: "message" } & MessageView)
  | ({ type: "reply"; chatId: string; seq: number; createdAt: string } & ReplyView);

/** A process state, or of a chat without a process: `dormant`, `parked`, `quarantined`. */
export type ChatState = "starting" | "idle" | "busy" | "closing" | "dormant" | "parked" | "quarantined";

export interface ProcessView {
  pid: number | null;
  generation: number;
  /** Memory of the whole process tree, in bytes; null when it cannot be read. */
  memoryBytes: number | null;
  since: string;
}

/** A run of a Claude process. */
export interface RunView {
  generation: number;
  pid: number | null;
  startedAt: string;
  endedAt: string | null;
  /** Why it was started, and why it ended. */
  startReason: string;
  endReason: string | null;
}

export function runView({
  generation,
  pid,
  startedAt,
  endedAt,
  startReason,
  endReason,
}: ProcessRecord): RunView {
  return { generation, pid, startedAt: iso(startedAt), endedAt: isoOrNull(endedAt), startReason, endReason };
}

export interface HeldView {
  until: string;
  /** Of a `parked` chat the API's own text, or which budget is spent, for operators. */
  reason: string;
}

export interface ChatView {
  chatId: string;
  contact: Contact;
  sessionName: string;
  /** The SDK's session id, once a turn has proven it. */
  sessionId: string | null;
  state: ChatState;
  /** Why nothing is done for it, and until when at the latest; null when it is neither `parked` nor `quarantined`. */
  held: HeldView | null;
  process: ProcessView | null;
  /** Messages without an end status yet. */
  queued: number;
  lastMessageAt: string | null;
  createdAt: string;
  usage: Usage;
}

/** A durable event with its number, or a piece of text on its way (no number: it is not kept). */
export type EventView =
  | ({ seq: number; at: string; chatId: string } & DurableChange)
  | { type: "text"; chatId: string; turnId: string; offset: number; text: string };

type WithoutFrame<T> = T extends unknown ? Omit<T, "seq" | "at" | "chatId" | "reply"> : never;
type DurableChange =
  | WithoutFrame<Exclude<LedgerEvent, { type: "reply" }>>
  | { type: "reply"; reply: ReplyView };

/** Where the model is: built in, or an endpoint of the Messages API. */
/** `direct`: Claude's processes ask a provider of their own. */
export type UpstreamView = { kind: "offline" } | { kind: "direct" } | { kind: "api"; baseUrl: string };

/** One Switchboard, as it runs. */
export interface HostView {
  version: string;
  pid: number;
  since: string;
  /** `draining` from the moment that it was told to end: nothing is accepted any more. */
  state: "running" | "draining" | "closed";
  upstream: UpstreamView;
  /** What ails the model's API; null when it is well. */
  trouble: TroubleView | null;
  /** Names of the channels that replies can go out by. */
  channels: string[];
  /** Names of the tiers whose messages are accepted, from the most to the least trusted. */
  tiers: string[];
  /**
   * Claude processes that hold a slot now, and the most that may. `waiting`: chats in the line for one. Bytes are those of all
   * process trees, as they were weighed last. `spares`: of the live ones, those that wait for a new chat.
   */
  processes: {
    live: number;
    max: number;
    waiting: number;
    memoryBytes: number;
    memoryBytesMax: number;
    spares: number;
  };
  /**
   * `since`: when the config in force was read. `refused`: why a later one was not taken over. `restart`: keys that were
   * changed and hold from the next start on.
   */
  config: { since: string; refused: { at: string; message: string } | null; restart: string[] };
}

/** What happened in a stretch of time, over all chats, and how it stood at most. */
export interface StepView {
  /** When it begins. */
  at: string;
  /** Turns that ended, however they did. */
  turns: number;
  /** Messages by the end status that they got. */
  answered: number;
  refused: number;
  failed: number;
  stopped: number;
  /** Within how many ms of their acceptance half and 99 of 100 messages were answered, to a tenth; null: none was. */
  answerMs: { p50: number; p99: number } | null;
  /** By the list's prices, or the config's. */
  costUsd: number;
  /** Claude processes, chats in the line for one, memory of all process trees; null: the daemon did not run. */
  live: number | null;
  waiting: number | null;
  memoryBytes: number | null;
}

/** How it goes, now and over the last hours. */
export interface OverviewView {
  at: string;
  /** Number of the latest event; 0 when there is none. */
  lastEvent: number;
  /** Chats by state, and all of them. */
  chats: Record<ChatState | "total", number>;
  /** Open messages by what they wait for. */
  waiting: Record<WaitingFor, number>;
  /** Since midnight UTC. */
  today: Omit<StepView, "at"> & { day: string };
  /** Length of a step. */
  stepSeconds: number;
  /** Without a gap up to now, oldest first. */
  steps: StepView[];
}

/** What a changed config has changed, by the keys in full: at once, and from the next start on. */
export interface ReloadView {
  changed: string[];
  restart: string[];
}

/** The model's API in trouble. `transient` passes by itself; the others park the chats. */
export interface TroubleView {
  kind: "transient" | "limit" | "authentication" | "billing";
  since: string;
  /** Nothing is asked before then. */
  until: string;
  /** The API's own words. */
  message: string;
}

/** A reply that did not go out, or of which nobody knows. */
export interface DeliveryView extends ReplyView {
  chatId: string;
  channel: string | null;
  createdAt: string;
}

/** A tool call that waits for a person's yes. */
export interface ApprovalView {
  id: string;
  chatId: string;
  /** The message on whose behalf Claude makes the call. */
  messageId: string;
  /** The tool's name. */
  tool: string;
  /** As JSON, its first 2000 characters. */
  input: string;
  /** Why it is asked. */
  reason: string;
  /** `used`: the approved call was let through, once. `withdrawn`: the turn that asked was stopped. */
  state: ApprovalState;
  decidedBy: string | null;
  askedAt: string;
  /** Without an answer by then the call is denied. */
  until: string;
}

export function approvalView(approval: Approval): ApprovalView {
  const { id, chatId, messageId, name, input, reason, state, decidedBy, askedAt, until } = approval;
  const times = { askedAt: iso(askedAt), until: iso(until) };
  return { id, chatId, messageId, tool: name, input, reason, state, decidedBy, ...times };
}

/** What the model has cost in a day (UTC), by tier and model. */
export interface SpendingView extends Omit<Spending, "cost"> {
  /** By the list's prices, or the config's. */
  costUsd: number;
}

export function spendingView({ cost, ...rest }: Spending): SpendingView {
  return { ...rest, costUsd: cost / 1e9 };
}

/** A chat that nobody has named, and that wrote all the same: its messages were refused. */
export interface PendingView {
  chatId: string;
  /** As its messages called it last. */
  name: string | null;
  channel: string | null;
  /** Messages that were refused. */
  count: number;
  firstAt: string;
  lastAt: string;
}

export function pendingView({ firstAt, lastAt, ...rest }: PendingChat): PendingView {
  return { ...rest, firstAt: iso(firstAt), lastAt: iso(lastAt) };
}

/** What was allowed beyond today's budget. */
export interface RaisedView {
  /** UTC: it holds for this day alone. */
  day: string;
  chatId: string | null;
  tier: string | null;
  usd: number;
}

/** What an action on a chat did. */
export interface ActionView {
  chatId: string;
  /** What happened, in a word; `nothing`: there was nothing to do. */
  did: "stopped" | "closed" | "restarted" | "reset" | "undone" | "woken" | "forgotten" | "nothing";
  /** Messages that ended `stopped`. */
  stopped: Array<{ id: string; ran: boolean }>;
  /** Messages that are waiting again for a process. */
  requeued: string[];
  /** The current session after the action (the SDK's id), when the action changed it. */
  sessionId?: string | null;
}

/** What an import did. */
export interface ImportView {
  new: number;
  /** Known already, and now with another contact or session. */
  changed: number;
  unchanged: number;
  /** Chats whose conversation came with them. */
  conversations: number;
  /** Chats that had a session id for which no transcript was found: they begin anew. */
  unproven: string[];
  /** Chats that have another conversation here, and keep it. */
  kept: string[];
  /** New chats whose session name was taken, or was no safe name. */
  renamed: Array<{ chatId: string; from: string; to: string }>;
}

/** The answer to a message at the door. */
export interface Receipt {
  message: MessageView;
  /** The external id was known already: the message is shown as it stands. */
  duplicate: boolean;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}

export function replyView(reply: Reply): ReplyView {
  const { id, kind, text, answers, status, attempts, error } = reply;
  return { id, kind, text, answers, status, attempts, error };
}

export function troubleView(
  trouble: { kind: TroubleView["kind"]; since: number; until: number; message: string } | null,
): TroubleView | null {
  if (trouble === null) return null;
  const { kind, since, until, message } = trouble;
  return { kind, since: iso(since), until: iso(until), message };
}

export function deliveryView(reply: Reply): DeliveryView {
  const { chatId, channel, createdAt } = reply;
  return { ...replyView(reply), chatId, channel, createdAt: iso(createdAt) };
}

export function messageView(message: Message, waiting: Waiting | null): MessageView {
  return {
    id: message.id,
    externalId: message.externalId,
    chatId: message.chatId,
    seq: message.seq,
    text: message.text,
    attachments: message.attachments,
    status: message.status,
    ran: message.ran,
    waiting,
    tries: message.tries,
    error: message.error,
    reply: message.reply === null ? null : replyView(message.reply),
    acceptedAt: iso(message.acceptedAt),
    sentAt: isoOrNull(message.sentAt),
    endedAt: isoOrNull(message.endedAt),
  };
}

export function replyEntry(reply: Reply): HistoryEntry {
  const { chatId, seq, createdAt } = reply;
  return { type: "reply", chatId, seq, createdAt: iso(createdAt), ...replyView(reply) };
}

export function chatView(
  chat: Chat,
  live: { state: ChatState; held: { until: number; reason: string } | null; process: ProcessView | null },
): ChatView {
  return {
    chatId: chat.chatId,
    contact: chat.contact,
    sessionName: chat.sessionName,
    sessionId: chat.session?.sdkSessionId ?? null,
    state: live.state,
    held: live.held === null ? null : { until: iso(live.held.until), reason: live.held.reason },
    process: live.process,
    queued: chat.open,
    lastMessageAt: isoOrNull(chat.lastMessageAt),
    createdAt: iso(chat.createdAt),
    usage: chat.usage,
  };
}

export function eventView(event: LedgerEvent): EventView {
  const at = iso(event.at);
  return event.type === "reply" ? { ...event, at, reply: replyView(event.reply) } : { ...event, at };
}

export type { Attachment, Contact, Json, MessageStatus, Usage };
