/**
 * The shapes of the API's answers as schemas, for its document. The compiler holds them to the types of
 * `views.ts`: a field that is added there and not here does not build.
 */

import { z } from "@hono/zod-openapi";
import { contactPatchSchema, inboundSchema } from "../contacts/inbound.ts";
import type {
  ActionView,
  ApprovalView,
  ChatView,
  DeliveryView,
  EventView,
  HistoryEntry,
  HostView,
  ImportView,
  MessageView,
  OverviewView,
  PendingView,
  RaisedView,
  ReloadView,
  RunView,
  SpendingView,
} from "../views.ts";
import type { ApiErrorBody } from "./errors.ts";

const time = z.string().meta({ format: "date-time" });
const id = z.string().meta({ format: "uuid" });
const usd = z.number().meta({ description: "US dollars" });

export const errorSchema = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      field: z
        .string()
        .optional()
        .meta({ description: "The field of the input that is wrong, as a dotted path" }),
      hint: z.string().optional().meta({ description: "What to do about it" }),
    }),
  })
  .meta({ id: "Error" });

/** The same schema that `Switchboard.receive` validates with; only the document is told what any JSON is. */
export const messageInput = inboundSchema
  .safeExtend({
    route: inboundSchema.shape.route.meta({
      type: ["null", "boolean", "number", "string", "array", "object"],
      description: "Any JSON; comes back with each reply",
    }),
  })
  .meta({ id: "MessageInput" });

export const contactInput = z.strictObject({ contact: contactPatchSchema }).meta({ id: "ContactInput" });

const messageStatus = z.enum(["queued", "sent", "answered", "refused", "failed", "stopped"]);
const failure = z.object({ code: z.string(), message: z.string() });

const waitingFor = z.enum(["slot", "start", "model", "tool", "approval", "limit", "compaction", "budget"]);

const waiting = z.object({
  for: waitingFor,
  until: time.optional(),
  position: z.int().optional().meta({ description: "Place in the line, from 1" }),
  plan: z
    .enum(["join", "next", "collect", "interrupt"])
    .optional()
    .meta({ description: "What will happen with it, while it waits behind a running turn" }),
});

const delivered = {
  status: z.enum(["pending", "sending", "sent", "uncertain", "failed"]),
  attempts: z.int().meta({ description: "How often it was handed to its channel; 0 when it is fetched" }),
  error: failure.nullable().meta({ description: "Why the last attempt came to nothing" }),
};

// Without an id of its own, as everything that may be null: the document would make it null everywhere.
const reply = z.object({
  id,
  kind: z.enum(["answer", "notice"]),
  text: z.string(),
  answers: z.array(id).meta({ description: "Ids of the messages that it answers" }),
  ...delivered,
});

const attachment = z.object({
  name: z.string(),
  type: z.string().meta({ description: "A media type, as its content says" }),
  bytes: z.int(),
});

const toolState = z
  .enum(["started", "finished", "failed", "unknown"])
  .meta({ description: "unknown: its process died while it ran" });
const approvalState = z.enum(["pending", "approved", "denied", "used", "expired", "withdrawn"]);
const outcome = z.enum(["answered", "failed", "stopped", "cut"]);

const timelineEntry = z.discriminatedUnion("what", [
  z.object({ at: time, what: z.literal("accepted") }),
  z.object({
    at: time,
    what: z.enum(["process_started", "process_ended"]).meta({
      description: "Of the processes that it was handed to: started for it, gone before it had ended",
    }),
    generation: z.int(),
    reason: z.string(),
  }),
  z.object({
    at: time,
    what: z.literal("handed_over"),
    generation: z.int(),
    kind: z.enum(["send", "continue"]),
    outcome: z.enum(["answered", "failed", "stopped", "lost", "excused"]).nullable().meta({
      description: "lost: its process died, or gave it back; excused: so it was, at no fault of its own",
    }),
  }),
  z.object({
    at: time,
    what: z
      .enum(["turn_started", "turn_joined"])
      .meta({ description: "turn_joined: it ran already; what was done in it before is not told" }),
    turnId: id,
    generation: z.int(),
  }),
  z.object({ at: time, what: z.literal("model_asked") }),
  z.object({ at: time, what: z.literal("model_answers") }),
  z.object({
    at: time,
    what: z.literal("tool"),
    turnId: id,
    name: z.string(),
    input: z.string().meta({ description: "As JSON, its first 2000 characters" }),
    state: toolState,
    endedAt: time.nullable(),
  }),
  z.object({
    at: time,
    what: z.literal("approval"),
    tool: z.string(),
    state: approvalState,
    decidedBy: z.string().nullable(),
    endedAt: time.nullable(),
  }),
  z.object({ at: time, what: z.literal("turn_ended"), outcome }),
  z.object({
    at: time,
    what: z.literal("answer_found").meta({ description: "In the transcript of a process that was gone" }),
    generation: z.int(),
  }),
  z.object({
    at: time,
    what: z.literal("notice"),
    text: z.string(),
    ...delivered,
  }),
  z.object({ at: time, what: z.literal("remark"), code: z.string(), text: z.string() }),
  z.object({ at: time, what: z.literal("ended"), status: messageStatus }),
  z.object({ at: time, what: z.literal("reply"), ...delivered }),
]);

export const messageSchema = z
  .object({
    id,
    externalId: z.string().nullable(),
    chatId: z.string(),
    seq: z.int(),
    text: z.string(),
    attachments: z.array(attachment),
    status: messageStatus,
    ran: z.boolean().nullable(),
    waiting: waiting.nullable(),
    tries: z.int(),
    error: failure.nullable(),
    reply: reply.nullable(),
    acceptedAt: time,
    sentAt: time.nullable(),
    endedAt: time.nullable(),
    timeline: z.array(timelineEntry).optional().meta({ description: "Only where it was asked for" }),
  })
  .meta({ id: "Message" });

export const historySchema = z
  .object({
    history: z.array(
      z.discriminatedUnion("type", [
        messageSchema.extend({ type: z.literal("message") }),
        reply.extend({ type: z.literal("reply"), chatId: z.string(), seq: z.int(), createdAt: time }),
      ]),
    ),
    next: z
      .int()
      .nullable()
      .meta({ description: "`after` of the next page, or with order=newest its `before`; null at the end" }),
  })
  .meta({ id: "History" });

export const chatStateSchema = z.enum([
  "starting",
  "idle",
  "busy",
  "closing",
  "dormant",
  "parked",
  "quarantined",
]);

export const chatSchema = z
  .object({
    chatId: z.string(),
    contact: z.object({
      name: z.string().nullable(),
      tier: z.string(),
      group: z.boolean(),
      queueMode: z
        .enum(["steer", "queue", "collect", "interrupt"])
        .nullable()
        .meta({ description: "null: as the tier says" }),
    }),
    sessionName: z.string(),
    sessionId: z.string().nullable(),
    state: chatStateSchema,
    held: z
      .object({ until: time, reason: z.string() })
      .nullable()
      .meta({ description: "why nothing is done for it, and until when at the latest" }),
    process: z
      .object({
        pid: z.int().nullable(),
        generation: z.int(),
        memoryBytes: z.int().nullable(),
        since: time,
      })
      .nullable(),
    queued: z.int(),
    lastMessageAt: time.nullable(),
    createdAt: time,
    usage: z.object({ turns: z.int(), inputTokens: z.int(), outputTokens: z.int(), costUsd: usd }),
  })
  .meta({ id: "Chat" });

export const runsSchema = z
  .object({
    processes: z.array(
      z.object({
        generation: z.int(),
        pid: z.int().nullable(),
        startedAt: time,
        endedAt: time.nullable(),
        startReason: z.string(),
        endReason: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "Runs" });

export const chatsSchema = z
  .object({
    chats: z.array(chatSchema),
    next: z.string().nullable().meta({ description: "`after` of the next page; null at the end" }),
  })
  .meta({ id: "Chats" });

export const actionSchema = z
  .object({
    chatId: z.string(),
    did: z.enum(["stopped", "closed", "restarted", "reset", "undone", "woken", "forgotten", "nothing"]),
    stopped: z.array(z.object({ id, ran: z.boolean() })),
    requeued: z.array(id),
    sessionId: z.string().nullable().optional(),
  })
  .meta({ id: "Action" });

const durable = { seq: z.int(), at: time, chatId: z.string() };
const turnOutcome = z.enum(["started", "joined", "answered", "failed", "stopped", "cut"]);

export const eventSchema = z
  .discriminatedUnion("type", [
    z.object({
      ...durable,
      type: z.literal("message"),
      message: z.object({
        id,
        externalId: z.string().nullable(),
        seq: z.int(),
        text: z.string(),
        attachments: z.array(attachment),
        status: messageStatus,
        ran: z.boolean().nullable(),
        tries: z.int(),
        error: failure.nullable(),
        replyId: id.nullable(),
      }),
    }),
    z.object({
      ...durable,
      type: z.literal("turn"),
      turnId: id,
      state: turnOutcome,
      messageIds: z.array(id),
    }),
    z.object({
      ...durable,
      type: z.literal("tool"),
      turnId: id,
      toolUseId: z.string(),
      name: z.string(),
      state: toolState,
    }),
    z.object({ ...durable, type: z.literal("reply"), reply }),
    z.object({
      ...durable,
      type: z.literal("process"),
      generation: z.int(),
      state: z.enum(["starting", "started", "ended"]),
      pid: z.int().nullable(),
      reason: z.string(),
    }),
    z.object({ ...durable, type: z.literal("notice"), code: z.string(), text: z.string() }),
    z.object({
      type: z.literal("text"),
      chatId: z.string(),
      turnId: id,
      offset: z.int(),
      text: z.string(),
    }),
  ])
  .meta({ id: "Event" });

const step = z.object({
  at: time,
  turns: z.int().meta({ description: "Turns that ended" }),
  answered: z.int().meta({ description: "Messages by the end status that they got" }),
  refused: z.int(),
  failed: z.int(),
  stopped: z.int(),
  answerMs: z
    .object({ p50: z.int(), p99: z.int() })
    .nullable()
    .meta({ description: "ms from acceptance to answer, to a tenth; null: none was answered" }),
  costUsd: usd,
  live: z.int().nullable().meta({ description: "Most processes at once; null: the daemon did not run" }),
  waiting: z.int().nullable().meta({ description: "Most chats in the line for a process" }),
  memoryBytes: z.int().nullable().meta({ description: "Most memory of all process trees" }),
});

export const overviewSchema = z
  .object({
    at: time,
    lastEvent: z.int().meta({ description: "Its number; 0: there is none" }),
    chats: z.record(z.enum(["total", ...chatStateSchema.options]), z.int()),
    waiting: z.record(waitingFor, z.int()).meta({ description: "Open messages by what they wait for" }),
    today: step.omit({ at: true }).extend({ day: z.string() }).meta({ description: "Since midnight UTC" }),
    stepSeconds: z.int(),
    steps: z.array(step).meta({ description: "Without a gap up to now, oldest first" }),
  })
  .meta({ id: "Overview" });

/** Of `switchboard.toml`, in full. */
const keys = z.array(z.string());

export const hostSchema = z
  .object({
    version: z.string(),
    pid: z.int(),
    since: time,
    state: z.enum(["running", "draining", "closed"]),
    upstream: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("offline") }),
      z.object({ kind: z.literal("direct") }),
      z.object({ kind: z.literal("api"), baseUrl: z.string() }),
    ]),
    trouble: z
      .object({
        kind: z.enum(["transient", "limit", "authentication", "billing"]),
        since: time,
        until: time.meta({ description: "Nothing is asked before then" }),
        message: z.string().meta({ description: "The API's own words" }),
      })
      .nullable()
      .meta({ description: "What ails the model's API" }),
    channels: z.array(z.string()).meta({ description: "Names of the channels that replies can go out by" }),
    tiers: z.array(z.string()).meta({ description: "From the most to the least trusted" }),
    processes: z.object({
      live: z.int(),
      max: z.int(),
      waiting: z.int(),
      memoryBytes: z.int(),
      memoryBytesMax: z.int(),
      spares: z.int(),
    }),
    config: z.object({
      since: time.meta({ description: "When the config in force was read" }),
      refused: z
        .object({ at: time, message: z.string() })
        .nullable()
        .meta({ description: "Why a later one was not taken over" }),
      restart: keys.meta({ description: "Changed keys that hold from the next start on" }),
    }),
  })
  .meta({ id: "Host" });

export const reloadSchema = z
  .object({
    changed: keys.meta({ description: "They hold at once" }),
    restart: keys.meta({ description: "They hold from the next start on" }),
  })
  .meta({ id: "Reload" });

const delivery = reply.extend({
  chatId: z.string(),
  channel: z.string().nullable(),
  createdAt: time,
});

export const deliverySchema = delivery.meta({ id: "Delivery" });

export const deliveriesSchema = z
  .object({
    deliveries: z.array(delivery),
    next: z.string().nullable().meta({ description: "`after` of the next page; null at the end" }),
  })
  .meta({ id: "Deliveries" });

const approval = z.object({
  id: z.string(),
  chatId: z.string(),
  messageId: z.string().meta({ description: "The message on whose behalf Claude makes the call" }),
  tool: z.string(),
  input: z.string().meta({ description: "As JSON, its first 2000 characters" }),
  reason: z.string().meta({ description: "Why it is asked" }),
  state: approvalState,
  decidedBy: z.string().nullable(),
  askedAt: time,
  until: time.meta({ description: "Without an answer by then the call is denied" }),
});

export const approvalSchema = approval.meta({ id: "Approval" });
export const approvalsSchema = z.object({ approvals: z.array(approval) }).meta({ id: "Approvals" });

const spending = z.object({
  day: z.string().meta({ description: "In UTC" }),
  tier: z.string(),
  model: z.string(),
  requests: z.int(),
  inputTokens: z.int(),
  outputTokens: z.int(),
  cacheWriteTokens: z.int(),
  cacheReadTokens: z.int(),
  costUsd: z.number().meta({ description: "By the list's prices, or the config's" }),
});
export const usageSchema = z.object({ usage: z.array(spending) }).meta({ id: "Spending" });

export const raisedSchema = z
  .object({
    day: z.string().meta({ description: "UTC: it holds for this day alone" }),
    chatId: z.string().nullable(),
    tier: z.string().nullable(),
    usd: z.number(),
  })
  .meta({ id: "Raised" });

const pendingChat = z.object({
  chatId: z.string(),
  name: z.string().nullable().meta({ description: "As its messages called it last" }),
  channel: z.string().nullable(),
  count: z.int().meta({ description: "Messages that were refused; no text of them is kept" }),
  firstAt: time,
  lastAt: time,
});
export const pendingChatSchema = pendingChat.meta({ id: "PendingChat" });
export const pendingSchema = z.object({ pending: z.array(pendingChat) }).meta({ id: "Pending" });

export const importSchema = z
  .object({
    new: z.int(),
    changed: z.int().meta({ description: "Known already, and now with another contact or session" }),
    unchanged: z.int(),
    conversations: z.int().meta({ description: "Chats whose conversation came with them" }),
    unproven: z.array(z.string()).meta({
      description: "Chats that had a session id for which no transcript was found: they begin anew",
    }),
    kept: z.array(z.string()).meta({ description: "Chats that have another conversation here, and keep it" }),
    renamed: z.array(z.object({ chatId: z.string(), from: z.string(), to: z.string() })),
  })
  .meta({ id: "Import" });

/** For the document: the text itself is read by `contacts/registry.ts`, which knows its lines. */
export const registrySchema = z
  .record(
    z.string(),
    z.looseObject({
      session_name: z.string(),
      contact_name: z.string().nullish(),
      tier: z.string().nullish(),
      session_id: z.string().nullish(),
      created_at: time.nullish(),
      last_message_time: time.nullish(),
      group: z.boolean().nullish(),
    }),
  )
  .meta({ id: "Registry", description: "Keyed by chat id; unknown keys are kept" });

export const healthSchema = z.object({ status: z.literal("ok"), pid: z.int() }).meta({ id: "Health" });
export const readySchema = z.object({ status: z.literal("ready") }).meta({ id: "Ready" });
export const shutdownSchema = z
  .object({ state: z.literal("draining"), pid: z.int() })
  .meta({ id: "Shutdown" });

/** With all keys required and nothing undefined, so that two types differ when one lacks an optional key. */
type Full<T> = T extends readonly (infer Item)[]
  ? Full<Item>[]
  : T extends object
    ? { [Key in keyof T]-?: Full<Exclude<T[Key], undefined>> }
    : T;
type Matches<Schema extends z.ZodType, View> = [Full<z.output<Schema>>] extends [Full<View>]
  ? [Full<View>] extends [Full<z.output<Schema>>]
    ? true
    : false
  : false;
type Holds<T extends true> = T;

export type SchemasMatchViews = [
  Holds<Matches<typeof errorSchema, ApiErrorBody>>,
  Holds<Matches<typeof messageSchema, MessageView>>,
  Holds<Matches<typeof historySchema, { history: HistoryEntry[]; next: number | null }>>,
  Holds<Matches<typeof chatSchema, ChatView>>,
  Holds<Matches<typeof actionSchema, ActionView>>,
  Holds<Matches<typeof eventSchema, EventView>>,
  Holds<Matches<typeof hostSchema, HostView>>,
  Holds<Matches<typeof overviewSchema, OverviewView>>,
  Holds<Matches<typeof runsSchema, { processes: RunView[] }>>,
  Holds<Matches<typeof reloadSchema, ReloadView>>,
  Holds<Matches<typeof importSchema, ImportView>>,
  Holds<Matches<typeof deliverySchema, DeliveryView>>,
  Holds<Matches<typeof approvalSchema, ApprovalView>>,
  Holds<Matches<typeof usageSchema, { usage: SpendingView[] }>>,
  Holds<Matches<typeof raisedSchema, RaisedView>>,
  Holds<Matches<typeof pendingChatSchema, PendingView>>,
];
