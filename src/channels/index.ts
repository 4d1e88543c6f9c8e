export {
  type AfterCrash,
  type Channel,
  type ChannelHost,
  isStopWord,
  NotSentError,
  type OutboundReply,
  type SendResult,
} from "./channel.ts";
export { channelsOf } from "./configured.ts";
export { goneChannel } from "./gone.ts";
export { Outbox, type OutboxOptions } from "./outbox.ts";
export { Outboxes } from "./outboxes.ts";
export { verifyWebhook, type WebhookRequest, type WebhookVerdict } from "./signature.ts";
export { webhookSchema } from "./webhook.ts";
