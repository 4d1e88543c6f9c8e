/** Switchboard as a library: every contact of a messaging bot gets their own persistent Claude session. */

export {
  type AfterCrash,
  type Channel,
  type ChannelHost,
  NotSentError,
  type OutboundReply,
  type SendResult,
  verifyWebhook,
  type WebhookRequest,
  type WebhookVerdict,
} from "./channels/index.ts";
export { type Config, loadConfig } from "./config.ts";
export type { InboundInput } from "./contacts/inbound.ts";
export { type ErrorCode, SwitchboardError } from "./errors.ts";
export type { EventsOptions } from "./feed.ts";
export type { HistoryPage } from "./ledger/index.ts";
export { createLogger, type Logger, type LogLevel } from "./log.ts";
export { open } from "./open.ts";
export type { HistoryOptions, OpenOptions, Switchboard, Upstream } from "./switchboard.ts";
export type {
  ActionView,
  ApprovalView,
  ChatState,
  ChatView,
  Contact,
  DeliveryView,
  EventView,
  HistoryEntry,
  HostView,
  ImportView,
  MessageStatus,
  MessageView,
  OverviewView,
  PendingView,
  ProcessView,
  RaisedView,
  Receipt,
  ReloadView,
  ReplyView,
  RunView,
  SpendingView,
  StepView,
  TimelineEntry,
  Usage,
  Waiting,
  WaitingFor,
} from "./views.ts";
