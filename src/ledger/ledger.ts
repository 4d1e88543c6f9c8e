/**
 * The ledger: the durable record of contacts, sessions, messages, tries, turns, replies and events.
 *
 * This file is the port; it names no storage. The rules that every implementation keeps:
 * - A call that resolves has been committed to disk; one that rejects has changed nothing.
 * - Calls that write are carried out in the order in which they were made, so several may be under way at once.
 *   A read sees every write that was answered before it was made; it never sees one that is not committed.
 * - Every change of state appends its event in the same transaction, so the events alone tell what happened.
 * - Every write on behalf of a session carries its lease and is refused as `stale_epoch` when another host
 *   (or a later start of this one) has acquired the chat since. Accepting a message needs no lease.
 * - Time on rows is the ledger's own, in ms since the Unix epoch, so that hosts with different clocks agree.
 * - Nothing is loaded whole: a million chats cost a look-up each.
 */

/** Anything that JSON can say; what a channel hands over to find its way back with a reply. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * What becomes of a message that comes while a turn runs: it joins the turn (`steer`); it waits for a turn of its own
 * (`queue`); it waits for a turn with all that come within a short window (`collect`); it stops the turn (`interrupt`).
 */
export type QueueMode = "steer" | "queue" | "collect" | "interrupt";

/** Who is behind a chat. */
export interface Contact {
  name: string | null;
  tier: string;
  /** Several people speak in this chat; each message then bears its sender's name. */
  group: boolean;
  /** Null: as the tier says. */
  queueMode: QueueMode | null;
}

/** Only the given fields change. */
export interface ContactPatch {
  name?: string | null | undefined;
  tier?: string | undefined;
  group?: boolean | undefined;
  queueMode?: QueueMode | null | undefined;
}

/** Who spoke in a group. A tier given here can only lower what the chat's own tier allows. */
export interface Sender {
  id: string;
  name: string;
  tier?: string | undefined;
}

/** A file that came with a message. */
export interface Attachment {
  /** As the contact calls it. */
  name: string;
  /** A media type, as its content says. */
  type: string;
  bytes: number;
}

export interface AttachmentFile extends Attachment {
  /** Of its content, hexadecimal. */
  sha256: string;
  data: Uint8Array;
}

/** What a chat's turns have cost so far, as the model's API reported it; those that a crash cut are not in it. */
export interface Usage {
  turns: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
}

/** One conversation partner, a person or a group. */
export interface Chat {
  chatId: string;
  contact: Contact;
  /** A readable, safe slug, unique without regard to case, fixed when the chat is first named. */
  sessionName: string;
  /** The current session, or null before the first message. */
  session: Session | null;
  /** A session id that was imported without a transcript; null when there is none, or a turn has proven another. */
  unprovenSessionId: string | null;
  /** Messages accepted and without an end status yet. */
  open: number;
  lastMessageAt: number | null;
  createdAt: number;
  usage: Usage;
}

/** A chat's persistent Claude conversation. It outlives processes, restarts and hosts. */
export interface Session {
  /** Ours, a UUID. The session's space bears it as its folder's name. */
  id: string;
  chatId: string;
  /** The SDK's id, once a turn has proven it; null until then. */
  sdkSessionId: string | null;
  /** The contact facts that Claude was last told, so that only changed ones are told again. */
  toldFacts: string | null;
  createdAt: number;
  /** When a reset put it aside; null for the current one. */
  endedAt: number | null;
}

/** `queued` and `sent` are open; each message reaches exactly one of the others. */
export type MessageStatus = "queued" | "sent" | "answered" | "refused" | "failed" | "stopped";

export interface Failure {
  code: string;
  message: string;
}

/** `stop`: a stop word, which stops what is open before it; `answer`: an operator's yes or no to a question. */
export type MessageCommand = "stop" | "answer";

/** One accepted inbound text. */
export interface Message {
  /** Ours, a UUID. */
  id: string;
  /** The channel's id of it, unique within the chat; null when the channel has none. */
  externalId: string | null;
  chatId: string;
  /** Place among the chat's messages and replies, from 1. */
  seq: number;
  text: string;
  /** Their content is kept until the message ends: see {@link Ledger.attachmentData}. */
  attachments: Attachment[];
  sender: Sender | null;
  /** The channel that its replies go out by; null: they are fetched. With `route` fixed here, at acceptance. */
  channel: string | null;
  /** What the channel needs to find its way back. */
  route: Json;
  /** What is said to Switchboard itself. The model never sees it. */
  command: MessageCommand | null;
  status: MessageStatus;
  /** Of a stopped message: whether the model had begun to work on it. Null otherwise. */
  ran: boolean | null;
  /** Charged tries so far, continuations of a cut turn among them. */
  tries: number;
  /** Why it was refused or failed. */
  error: Failure | null;
  reply: Reply | null;
  acceptedAt: number;
  /** When it was last handed to a process. */
  sentAt: number | null;
  endedAt: number | null;
}

/**
 * `pending`: to be sent; `sending`: handed to its channel, which has not answered; `uncertain`: nobody knows whether it
 * went out; `failed`: given up. A reply that is fetched is `sent` at its commit.
 */
export type ReplyStatus = "pending" | "sending" | "sent" | "uncertain" | "failed";

/** One outbound text. At most one `answer` names a message. */
export interface Reply {
  id: string;
  chatId: string;
  seq: number;
  kind: "answer" | "notice";
  text: string;
  /** Ids of the messages that it answers, or, for a notice, that it is about. */
  answers: string[];
  /** Both are those of the first message that it names. */
  channel: string | null;
  route: Json;
  status: ReplyStatus;
  /** How often it was handed to its channel. */
  attempts: number;
  /** When it is next to be handed over; null when it is not `pending`. */
  dueAt: number | null;
  /** ms from when `dueAt` was reckoned up to it: a clock that was set back since then must not make the pause longer. */
  pauseMs: number | null;
  /** Why its last attempt came to nothing. */
  error: Failure | null;
  createdAt: number;
}

/** Words of ours to the sender: what became of messages, or of the conversation. */
export interface Notice {
  /** Of the reply that it becomes. One that the ledger has already is left out, so a notice can be told once. */
  id: string;
  text: string;
  /** The messages that it is about, at least one; the reply goes where the first one's does. */
  about: string[];
}

/** What became of an attempt to send a reply. */
export type Delivery =
  /** It is being handed to its channel. From `pending`, or from `sending` when an earlier attempt died. */
  | { status: "sending" }
  | { status: "sent" }
  /** To be tried again, `delayMs` from now. */
  | { status: "pending"; delayMs: number; error: Failure }
  | { status: "uncertain" | "failed"; error: Failure };

/**
 * How a try ended; null while it is under way, and at most one of a message is. `lost`: its process died or gave
 * the message back, and the message was requeued or charged anew. `excused`: so it was, for something that is not the
 * message's fault (a usage limit, a closed process); it counts for nothing.
 */
export type TryOutcome = "answered" | "failed" | "stopped" | "lost" | "excused";

/** One handing-over of a message to a process. Charged before it is made. */
export interface Try {
  messageId: string;
  /** From 1. */
  n: number;
  /** The uuid under which the process knows the message. */
  sdkUuid: string;
  generation: number;
  epoch: number;
  /** `continue`: the message stands in the transcript, and its cut turn is taken up again. */
  kind: "send" | "continue";
  /** What the cut turn had achieved when this try was charged: assistant and tool entries in the transcript. */
  progress: number;
  outcome: TryOutcome | null;
  chargedAt: number;
}

/** `cut`: its process died; what becomes of its messages is another matter. */
export type TurnOutcome = "answered" | "failed" | "stopped" | "cut";

/** One run of the model, with the messages that it took in. */
export interface Turn {
  id: string;
  chatId: string;
  sessionId: string;
  generation: number;
  messageIds: string[];
  outcome: TurnOutcome | null;
  startedAt: number;
  /** When its first model request left the gateway, and when that request's first byte came. */
  requestAt: number | null;
  firstByteAt: number | null;
  endedAt: number | null;
}

/** `unknown`: its process died while it ran. */
export type ToolState = "started" | "finished" | "failed" | "unknown";

/** A tool call of a turn, recorded before the tool runs. */
export interface ToolCall {
  /** The model's id of the call. */
  toolUseId: string;
  turnId: string;
  generation: number;
  name: string;
  /** As JSON, cut to its first 2000 characters. */
  input: string;
  /** Of the whole input: two calls with the same digest are the same call. */
  digest: string;
  state: ToolState;
  startedAt: number;
  endedAt: number | null;
}

/**
 * `approved` and `denied`: a person said so. `used`: the approved call was let through, once. `expired`: nobody answered in
 * time. `withdrawn`: the turn that asked was stopped.
 */
export type ApprovalState = "pending" | "approved" | "denied" | "used" | "expired" | "withdrawn";

/** A question to a person: whether a tool may be called with this very input. It outlives the process that asked. */
export interface Approval {
  id: string;
  chatId: string;
  /** The first message of the turn that asks: the answer holds for the same call on its behalf, and for nothing else. */
  messageId: string;
  name: string;
  /** As JSON, cut to its first 2000 characters. */
  input: string;
  digest: string;
  /** Why it is asked. */
  reason: string;
  state: ApprovalState;
  /** Who said yes or no; null when nobody did. */
  decidedBy: string | null;
  askedAt: number;
  /** Until when an answer is waited for. */
  until: number;
  endedAt: number | null;
}

/**
 * What was done for a message: each handing-over, the processes that it was handed to, the turns that took it in with their
 * tool calls, what a person was asked, and what its sender and, while it was open, whoever looks after the chat were told.
 */
export interface Work {
  messageId: string;
  tries: Try[];
  processes: ProcessRecord[];
  turns: Array<Turn & { calls: ToolCall[] }>;
  approvals: Approval[];
  /** Replies of kind `notice` that are about it. */
  notices: Reply[];
  remarks: Array<{ at: number; code: string; text: string }>;
}

/** What has been spent in one day (UTC, `2026-01-31`) by one tier on one model: by all chats, or by one. */
export interface Spending {
  day: string;
  tier: string;
  model: string;
  requests: number;
  inputTokens: number;
  outputTokens: number;
  cacheWriteTokens: number;
  cacheReadTokens: number;
  /** In billionths of a USD. */
  cost: number;
}

/** Whose budget is meant: a chat's, a tier's, or that of all. */
export type BudgetScope = { chatId: string } | { tier: string } | { all: true };

/** What a day has been allowed beyond its budget, in billionths of a USD. */
export interface Allowance {
  scope: BudgetScope;
  cost: number;
}

/** A chat that nobody has named, and that wrote all the same: refused, and listed for the operator. No text of it is kept. */
export interface PendingChat {
  chatId: string;
  /** As its messages called it last. */
  name: string | null;
  /** The channel that its last message came by. */
  channel: string | null;
  /** Messages that were refused. */
  count: number;
  firstAt: number;
  lastAt: number;
}

/** Length of the stretches of time that a {@link Rollup} is about, in ms. They begin at midnight UTC. */
export const rollupMs = 5 * 60_000;
/** How long they are kept, in ms: seven days. */
export const rollupsKeptMs = 7 * 24 * 3_600_000;

/** What happened in a stretch of time, over all chats, and how it stood at most. */
export interface Rollup {
  /** When it begins. */
  at: number;
  /** Turns that ended, however they did. */
  turns: number;
  /** Messages by the end status that they got. */
  answered: number;
  refused: number;
  failed: number;
  stopped: number;
  /** How many were answered within so many ms of their acceptance, and not within those of the one before. */
  answerTimes: Array<{ upToMs: number; count: number }>;
  /** In billionths of a USD. */
  cost: number;
  /** The highest {@link Gauge} of it; null: nobody told. */
  live: number | null;
  waiting: number | null;
  memoryBytes: number | null;
}

/** How it stands now. */
export interface Gauge {
  /** Processes. */
  live: number;
  /** Chats in the line for a process. */
  waiting: number;
  /** Of all process trees. */
  memoryBytes: number;
}

/** What is kept no longer of a chat, by when it ended, in ms since the Unix epoch; null: all is kept. */
export interface Expiry {
  /** Messages with replies, attachments, tool calls and events about them. */
  messagesBefore: number | null;
  eventsBefore: number | null;
  /** Conversations of chats whose last sign of life was before. */
  conversationsBefore: number | null;
}

/** What one step of an expiry has removed. */
export interface Expired {
  /** Where the next step goes on; null: this was the last. */
  next: string | null;
  messages: number;
  events: number;
  /** Chats whose conversations are kept no longer, and since when they would have to rest: for `removeConversations`. */
  resting: Array<{ chatId: string; since: number }>;
}

/** A session's space and what belongs to it, of a chat that nobody remembers. */
export interface ForgottenSpace {
  sessionId: string;
  /** Of the link that people see. */
  sessionName: string;
}

/** One run of a Claude Code process. */
export interface ProcessRecord {
  generation: number;
  chatId: string;
  sessionId: string;
  pid: number | null;
  startedAt: number;
  endedAt: number | null;
  /** Why it was started, and why it ended. */
  startReason: string;
  endReason: string | null;
}

/** What changed. `text` events are not here: they are live only. */
export type Change =
  | { type: "message"; message: EventMessage }
  | { type: "turn"; turnId: string; state: "started" | "joined" | TurnOutcome; messageIds: string[] }
  | {
      type: "tool";
      turnId: string;
      toolUseId: string;
      name: string;
      state: ToolState;
    }
  | { type: "reply"; reply: Reply }
  | {
      type: "process";
      generation: number;
      state: "starting" | "started" | "ended";
      pid: number | null;
      reason: string;
    }
  | { type: "notice"; code: string; text: string };

/** A message as it stood at the event, without what never changes later (route, reply's text). */
export type EventMessage = Pick<
  Message,
  "id" | "externalId" | "seq" | "text" | "attachments" | "status" | "ran" | "tries" | "error"
> & { replyId: string | null };

/** One durable row for each change. */
export type LedgerEvent = { seq: number; at: number; chatId: string } & Change;

/** The right to write on behalf of a chat's session. A later acquire makes it stale. */
export interface Lease {
  chatId: string;
  epoch: number;
}

/** A message at the door. */
export interface Inbound {
  /** The id that the message will have. */
  id: string;
  chatId: string;
  externalId: string | null;
  text: string;
  /** Default: none. */
  attachments?: readonly AttachmentFile[];
  sender: Sender | null;
  channel: string | null;
  route: Json;
  command: MessageCommand | null;
  contact: ContactPatch;
  /** Base of the session name (ASCII) if the chat is new; the ledger appends `-2`, `-3`… until it is free. */
  sessionNameBase: string;
}

/**
 * Charges the first try together with the acceptance, for a session whose process can take it at once. Its sdkUuid is
 * the message's id. It holds if the epoch is that of the chat's lease and the process is a running one of the chat.
 */
export interface Claim {
  epoch: number;
  generation: number;
}

/** The session that a message is accepted for, as its host knows it. */
export interface AcceptBy {
  /** Under which the first try is charged at once. */
  claim?: Claim | null | undefined;
  /** Nothing may be taken on just now: so many chats wait for a process, or messages come too fast. */
  crowded?: boolean;
}

export type Acceptance =
  /**
   * `claimed`: the claim held, the message is `sent` and must now be handed over. Otherwise it is `queued`.
   * `contact`: the chat's, with the patch applied.
   */
  | { kind: "accepted"; message: Message; contact: Contact; claimed: boolean }
  /** The same external id and text as before: the message as it stands. */
  | { kind: "duplicate"; message: Message }
  /** The same external id with another text or other attachments: nothing changed. */
  | { kind: "conflict"; message: Message }
  /**
   * The tier (with the patch; `unknown` for a chat that nobody has named) is none of those admitted. Nothing changed, but that
   * a chat that the ledger does not know is now among the pending ones.
   */
  | { kind: "refused"; tier: string }
  /** It would have been accepted, but `crowded`: nothing changed. */
  | { kind: "crowded" };

/** How open messages leave a session other than by an answered turn. */
export interface Ending {
  messageId: string;
  status: "failed" | "stopped" | "refused";
  ran: boolean | null;
  error: Failure | null;
}

/** All that the end of a turn changes, in one transaction. */
export interface TurnEnd {
  turnId: string;
  /**
   * `answered` gives the reply to each of `messageIds` that is still open; otherwise `endings` says how members end.
   * The open tries of all members end with the turn's outcome (`cut`: as `lost`); a member that is in no ending stays open.
   */
  outcome: TurnOutcome;
  /** All members: those that `beginTurn` and `joinTurn` did not name are added. */
  messageIds: string[];
  /** The answer, for `answered`; it goes where the first message that it answers says. */
  reply: { id: string; text: string } | null;
  endings: Ending[];
  notices: Notice[];
  /** What the turn proved: the SDK's session id, and the facts that Claude now knows. Null: as before. */
  proven: { sessionId: string; sdkSessionId: string; toldFacts: string | null } | null;
  usage: Omit<Usage, "turns"> | null;
  requestAt: number | null;
  firstByteAt: number | null;
}

export type LedgerErrorCode =
  /** The disk is full. Nothing changed; try again when there is room. */
  | "storage_full"
  /** Another program has held the database for longer than the busy limit. Nothing changed. */
  | "storage_busy"
  /** Any other failure of the storage. */
  | "storage_failed"
  /** The lease is not the chat's latest, or was released. Nothing changed. */
  | "stale_epoch"
  /**
   * The call contradicts what the ledger holds (a chat, turn or process that is not there, a message that has ended,
   * an id used twice) or its own contract (a limit, a cursor): a defect of the caller. Nothing changed.
   */
  | "invalid"
  /** The database was written by a newer version of Switchboard. */
  | "newer_schema"
  /** The file is damaged, or is no database of Switchboard. */
  | "corrupt"
  | "closed";

export class LedgerError extends Error {
  readonly code: LedgerErrorCode;
  constructor(code: LedgerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LedgerError";
    this.code = code;
  }
}

export interface ChatPage {
  chats: Chat[];
  /** Cursor of the next page; null at the end. Opaque. */
  next: string | null;
}

/** Those with `after < seq < before`, from the oldest or the newest on, at most `limit`. */
export interface HistoryPage {
  /** Default 0. */
  after?: number;
  /** Default: no bound. */
  before?: number;
  /** Default `oldest`. */
  order?: "oldest" | "newest";
  limit: number;
}

/** What another host can take over of a chat. */
export interface PortableChat {
  chatId: string;
  contact: Contact;
  sessionName: string;
  /** The SDK's session id, or the unproven one. */
  sessionId: string | null;
  createdAt: number;
  lastMessageAt: number | null;
  /** What else a host before this one knew of it, as JSON text. */
  extra: string | null;
}

/** A chat from another host. What is null is not known there. */
export interface ChatImport {
  chatId: string;
  contact: ContactPatch;
  /** The ledger appends `-2`, `-3`… until it is free. */
  sessionName: string;
  /** `proven`: its transcript is in the space of the given id. Either is taken only by a chat without a session. */
  session:
    | { kind: "proven"; id: string; sdkSessionId: string }
    | { kind: "unproven"; sessionId: string }
    | null;
  createdAt: number | null;
  lastMessageAt: number | null;
  extra: string | null;
}

export interface ImportedChat {
  chatId: string;
  did: "new" | "changed" | "unchanged";
  contact: Contact;
  sessionName: string;
  /**
   * What became of the given session: it is the chat's (`taken`, also an unproven one that was so before), it is the
   * conversation that the chat has here (`known`), or the chat has another and keeps that (`kept`).
   * Null when none was given.
   */
  session: "taken" | "known" | "kept" | null;
}

/** Every method rejects with a {@link LedgerError} and only with that. */
export interface Ledger {
  // Chats and contacts

  chat(chatId: string): Promise<Chat | null>;
  /** Most recently active first (named, message accepted, turn ended). `limit` 1 to 1000, as everywhere here. */
  chats(page: { after?: string; limit: number }): Promise<ChatPage>;
  /**
   * Names a chat or changes its contact; appends a `notice` event `contact_changed` when something changed. A pending chat is
   * pending no more.
   */
  putContact(chatId: string, patch: ContactPatch, sessionNameBase: string): Promise<Chat>;
  pendingChat(chatId: string): Promise<PendingChat | null>;
  /** The last to write first. Of more than 1000 the oldest are forgotten. */
  pendingChats(limit: number): Promise<PendingChat[]>;
  /** Forgets that it wrote. False: it was not pending. */
  dismissPending(chatId: string): Promise<boolean>;
  /**
   * Removes everything about the lease's chat: rows, events, and from the file what the rows have left of them. Its spaces are
   * told by `forgottenSpaces` from then on, until they are gone. What is called while it runs may be carried out before it.
   */
  forget(lease: Lease): Promise<void>;
  /** Spaces of forgotten chats that may still be on disk. */
  forgottenSpaces(): Promise<ForgottenSpace[]>;
  spaceGone(sessionId: string): Promise<void>;
  /**
   * A step through all chats, from the one after `after` on, that removes what is kept no longer, by tier; chats of other
   * tiers, and those with an open message or a process, are left alone. A reply that is still on its way keeps itself and what
   * comes after it; one that was given up goes with its message. What is called while it runs may be carried out before it.
   */
  expire(after: string, tiers: Readonly<Record<string, Expiry>>): Promise<Expired>;
  /**
   * Puts the chat's sessions aside for good, and begins another: their spaces are told by `forgottenSpaces` from then on.
   * Appends a `notice` event `conversation_removed`. Null, and nothing is done, when the chat has been active since, is in use,
   * or has no conversation.
   */
  removeConversations(lease: Lease, newSessionId: string, restingSince: number): Promise<Session | null>;
  /** Gives some of the room that removed rows have left back to the disk. True: there is more. */
  shrink(): Promise<boolean>;
  /** In order of chat id (its UTF-8 bytes), after the given one. */
  portableChats(after: string, limit: number): Promise<PortableChat[]>;
  /**
   * All or none of them. A chat that is known keeps its session, name and times, and takes the contact; each that is new
   * or has changed appends a `notice` event, `chat_imported` or `contact_changed`. In the order given.
   */
  importChats(chats: ChatImport[]): Promise<ImportedChat[]>;

  // Messages

  /**
   * Stores message, contact and event in one transaction. `admit`: the tiers whose messages are accepted.
   * A known external id is told before the tier is looked at, and its contact patch is not applied.
   */
  accept(inbound: Inbound, admit: readonly string[], by?: AcceptBy): Promise<Acceptance>;
  message(id: string): Promise<Message | null>;
  /** The content of its attachments, in their order; empty when it has none or has ended. */
  attachmentData(messageId: string): Promise<Uint8Array[]>;
  /** Messages and replies of a chat. */
  history(chatId: string, page: HistoryPage): Promise<Array<Message | Reply>>;
  /** The chat's messages without an end status, in order of `seq`, each with its tries. */
  openMessages(chatId: string): Promise<Array<{ message: Message; tries: Try[] }>>;
  /** What was done for each of these messages, in the order given; all in the order of time. */
  works(messageIds: string[]): Promise<Work[]>;
  /** When the chat's last messages were accepted, oldest first, in ms since the Unix epoch. */
  acceptTimes(chatId: string, limit: number): Promise<number[]>;
  /** Chats that have open messages, in order of chat id (its UTF-8 bytes), after the given one. For recovery at start. */
  chatsWithOpenMessages(after: string, limit: number): Promise<string[]>;

  // Ownership

  /**
   * Makes every earlier lease of the chat stale, and ends what its holder left running: turns as `cut` (their
   * messages stay open), tool calls as `unknown`, processes. So does opening the ledger, for all chats.
   * `invalid`: no such chat.
   */
  acquire(chatId: string, hostId: string): Promise<{ epoch: number } | { heldBy: string }>;
  /** Keeps all of the host's leases. `leaseMs`: how long they now hold without another renewal; null: for ever. */
  renew(hostId: string): Promise<{ leaseMs: number | null }>;
  /** Does nothing when the lease is stale. */
  release(lease: Lease): Promise<void>;

  // On behalf of a session: refused as `stale_epoch` when the lease is not the chat's latest

  /** The chat's current session; begins one with the given id when there is none. */
  openSession(lease: Lease, newSessionId: string): Promise<Session>;
  /** Puts the current session (if any) aside and begins a new one; appends a `notice` event `session_reset`. */
  resetSession(lease: Lease, newSessionId: string): Promise<{ session: Session; earlier: Session | null }>;
  /**
   * Brings back the session that the last reset put aside; the one begun since is put aside in its place.
   * Null when there is none. Appends a `notice` event `reset_undone`.
   */
  undoReset(lease: Lease): Promise<{ session: Session; earlier: Session } | null>;

  /** Records a process that is about to be spawned and gives it the next generation number. */
  beginProcess(lease: Lease, sessionId: string, reason: string): Promise<{ generation: number }>;
  processStarted(lease: Lease, generation: number, pid: number): Promise<void>;
  /** Does nothing when it has ended already. */
  processEnded(lease: Lease, generation: number, reason: string): Promise<void>;
  /** The chat's latest processes, newest first. */
  processes(chatId: string, limit: number): Promise<ProcessRecord[]>;

  /**
   * Charges a try for each message (which becomes `sent`), before it is handed over. In the order given.
   * All or none: `invalid` when a message has ended or the process is not a running one of the chat.
   */
  charge(
    lease: Lease,
    generation: number,
    tries: Array<Pick<Try, "messageId" | "sdkUuid" | "kind" | "progress">>,
  ): Promise<void>;
  /** Takes `sent` messages back to `queued`; their open tries end with `outcome`. Others are left as they are. */
  requeue(lease: Lease, messageIds: string[], outcome: "lost" | "excused"): Promise<void>;
  /** Ends open messages outside of a turn. Messages that have an end already are left as they are. */
  endMessages(lease: Lease, endings: Ending[], notices?: Notice[]): Promise<void>;
  /** Tells the senders something. `invalid` when a notice is about no message of the chat. */
  notify(lease: Lease, notices: Notice[]): Promise<void>;

  beginTurn(
    lease: Lease,
    turn: { id: string; sessionId: string; generation: number; messageIds: string[] },
  ): Promise<void>;
  /** Messages that a running turn took in (steering). */
  joinTurn(lease: Lease, turnId: string, messageIds: string[]): Promise<void>;
  /**
   * `reply` is null also when no member was open any more: then nobody waits for it. Tool calls that still run end as
   * `unknown`. `invalid`: no such open turn.
   */
  endTurn(lease: Lease, end: TurnEnd): Promise<{ reply: Reply | null }>;
  /** Records a call before its tool runs, with its event; one that is recorded already is left as it is. `invalid`: no such open turn. */
  beginTool(
    lease: Lease,
    call: Pick<ToolCall, "toolUseId" | "turnId" | "name" | "input" | "digest">,
  ): Promise<void>;
  /** Does nothing when the call has ended, or was never recorded. */
  endTool(lease: Lease, turnId: string, toolUseId: string, state: "finished" | "failed"): Promise<void>;
  /** The calls of all turns that have one of these messages as a member, oldest first. */
  toolCalls(chatId: string, messageIds: string[]): Promise<ToolCall[]>;

  /**
   * Asks for a person's yes, with a `notice` event `approval_asked`. The same call on behalf of the same message is asked
   * once: while a question about it is pending, and after a yes that was not used or a no, that one is given, as it stands.
   */
  askApproval(
    lease: Lease,
    question: Pick<Approval, "id" | "messageId" | "name" | "input" | "digest" | "reason"> & {
      waitMs: number;
      /** A notice to another chat with the question, by the channel of its last message; a chat without one is not told. */
      tell: { chatId: string; text: string } | null;
    },
  ): Promise<Approval>;
  /**
   * `used`: of an approved one; the others of a pending one. Gives it as it stands then: in another state when somebody was
   * faster. `invalid`: no such question of the chat.
   */
  endApproval(lease: Lease, id: string, how: "used" | "expired" | "withdrawn"): Promise<Approval>;
  /** The chat's latest turns, newest first. */
  turns(chatId: string, limit: number): Promise<Turn[]>;

  /** Appends events that change no other row. */
  append(lease: Lease, changes: Array<Extract<Change, { type: "notice" }>>): Promise<void>;

  // Money

  /** Adds to the day's spending of the chat, and of all. `invalid`: no such chat. */
  spend(chatId: string, spending: Spending): Promise<void>;
  /** The spending of all chats since that day, the latest day first. At most 10,000 rows. */
  spending(since: string): Promise<Spending[]>;
  /** The same of one chat. */
  chatSpending(chatId: string, since: string): Promise<Spending[]>;
  /** Allows more for a day. A chat's is told by a `notice` event `budget_raised`. `invalid`: no such chat. */
  allowMore(day: string, allowance: Allowance): Promise<void>;
  allowances(day: string): Promise<Allowance[]>;

  // How things go

  /** Puts down how it stands, and drops what is older than `rollupsKeptMs`. */
  gauge(gauge: Gauge): Promise<void>;
  /** From the stretch on that begins at `since` or later, oldest first. One in which nothing happened is left out. */
  rollups(since: number): Promise<Rollup[]>;
  /** How many chats are known. */
  chatCount(): Promise<number>;

  // Questions to a person

  approval(id: string): Promise<Approval | null>;
  /** Those that wait for an answer: pending, in time, of a message that is still open. Whose time is over first comes first. */
  pendingApprovals(limit: number): Promise<Approval[]>;
  /** A person's answer, with its event. Null when the question does not wait for one. */
  decideApproval(id: string, decision: "approved" | "denied", by: string): Promise<Approval | null>;

  // Replies that go out by a channel

  /** Of every channel by which a reply is yet to go out, now, after a retry, or to a message that is open. */
  channels(): Promise<string[]>;
  /** Chats with a `pending` or `sending` reply by this channel, in order of chat id, after the given one. */
  chatsWithReplies(channel: string, after: string, limit: number): Promise<string[]>;
  /** The chat's oldest `pending` or `sending` reply by this channel. */
  nextReply(channel: string, chatId: string): Promise<Reply | null>;
  /** Records an attempt or what became of it. `invalid` when the reply is neither `pending` nor `sending`. */
  deliver(replyId: string, delivery: Delivery): Promise<void>;
  /** `failed` and `uncertain` replies, oldest first, with an id after the given one. */
  failedReplies(after: string, limit: number): Promise<Reply[]>;
  /** A `failed` or `uncertain` reply is `pending` again, as if it had never been tried. Null when it is neither. */
  retryReply(replyId: string): Promise<Reply | null>;

  // Events

  /** Committed events with `seq > after`, in order, of one chat or of all. */
  changes(after: number, options: { chatId?: string; limit: number }): Promise<LedgerEvent[]>;
  /** The number of the latest committed event; 0 when there is none. */
  lastSeq(): Promise<number>;
  /**
   * Calls `listener` with each committed batch, in order, after the commit; what it gets is what `changes` would give.
   * The last call, with no events, tells that the ledger has closed or failed. Returns the unsubscription.
   */
  onCommit(listener: (events: readonly LedgerEvent[]) => void): () => void;

  /** Finishes what was asked before; whatever is asked later rejects with `closed`. Never rejects itself. */
  close(): Promise<void>;
}

/** Whether a message has reached its one end status. */
export function hasEnded(status: MessageStatus): boolean {
  switch (status) {
    case "queued":
    case "sent":
      return false;
    case "answered":
    case "refused":
    case "failed":
    case "stopped":
      return true;
  }
}
