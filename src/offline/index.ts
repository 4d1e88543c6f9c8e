export { type Conversation, readConversation, userMessages } from "./conversation.ts";
export type { MessagesRequest } from "./messages-api.ts";
export { type OfflineModel, type OfflineOptions, startOffline } from "./offline.ts";
export type { RecordedRequest } from "./requests.ts";
export type { Rule, Step } from "./step.ts";
