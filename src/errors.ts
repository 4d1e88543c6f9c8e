/** Codes of what a caller can do something about; the HTTP API answers each with a fixed status. */
export type ErrorCode =
  /** The request is malformed: the text names the field and what is allowed. */
  | "invalid_request"
  | "invalid_chat_id"
  | "invalid_text"
  | "invalid_attachment"
  | "invalid_config"
  /** What was to be imported is damaged, or no registry. */
  | "invalid_registry"
  | "unknown_tier"
  | "too_large"
  /** The chat's tier is refused, or nobody has named the chat yet. */
  | "refused_contact"
  | "not_found"
  /** The same external id came with another text or other attachments. */
  | "conflict"
  /** Not possible while the session is busy. */
  | "busy"
  /** Too many chats wait for a process; try again later. */
  | "overloaded"
  | "rate_limited"
  /** Shutting down; try again when the daemon is back. */
  | "draining"
  | "storage_full"
  | "storage_busy"
  | "storage_failed"
  /** Another Switchboard runs on this home: the text says which. */
  | "home_in_use";

/** Every error that Switchboard raises on purpose. Anything else that is thrown is a defect. */
export class SwitchboardError extends Error {
  readonly code: ErrorCode;
  /** The field of the input that is wrong, as a dotted path. */
  readonly field?: string;
  /** What to do about it. */
  readonly hint?: string;

  constructor(
    code: ErrorCode,
    message: string,
    details: { field?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SwitchboardError";
    this.code = code;
    if (details.field !== undefined) this.field = details.field;
    if (details.hint !== undefined) this.hint = details.hint;
  }
}
