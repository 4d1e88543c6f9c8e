/** Why a daemon could not start, besides what `open` says: the operator's to mend, so the text says how. */
export type StartErrorCode =
  /** Another program has the port. */
  | "port_in_use"
  /** The address cannot be listened on for another reason. */
  | "address_unusable"
  /** The home's folder cannot be made or written. */
  | "home_unusable"
  | "invalid_token"
  /** The environment names an endpoint that is no address. */
  | "invalid_upstream"
  /** The same of where traces go, or how. */
  | "invalid_environment";

export class StartError extends Error {
  readonly code: StartErrorCode;
  readonly hint?: string;

  constructor(code: StartErrorCode, message: string, details: { hint?: string; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "StartError";
    this.code = code;
    if (details.hint !== undefined) this.hint = details.hint;
  }
}

/** The system's code of an error (`EADDRINUSE`), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
