/** How a command ends: scripts go by the number, people by one line on stderr. */

export const exits = {
  ok: { code: 0, means: "done" },
  failed: { code: 1, means: "the message failed or was stopped, or anything that is not listed here" },
  usage: { code: 2, means: "the arguments or the text cannot be used as they are" },
  unreachable: { code: 3, means: "no daemon answers" },
  token: { code: 4, means: "the daemon does not take the token" },
  unknown: { code: 5, means: "no such chat, message or failed reply" },
  refused: { code: 6, means: "the chat is refused: nobody has named it, or its tier is unknown" },
  conflict: { code: 7, means: "not possible as things stand: busy, or the id is taken by another text" },
  later: { code: 8, means: "not now: shutting down, storage full, or no answer within --wait" },
  homeInUse: { code: 10, means: "start: another daemon runs on this home" },
  address: { code: 11, means: "start: the port is in use, or the host is none of this machine's" },
  config: { code: 12, means: "start: switchboard.toml, the token or the environment is not valid" },
  home: { code: 13, means: "start: the home cannot be made or written" },
  storage: { code: 14, means: "the database cannot be used" },
} as const;

export type Exit = keyof typeof exits;

/** By the code of an error of the API or of a start; what is not listed is `failed`. */
const exitOfCode: Record<string, Exit> = {
  invalid_request: "usage",
  invalid_json: "usage",
  invalid_chat_id: "usage",
  invalid_text: "usage",
  invalid_registry: "usage",
  unknown_tier: "usage",
  invalid_attachment: "usage",
  too_large: "usage",
  unreachable: "unreachable",
  unauthorized: "token",
  not_found: "unknown",
  refused_contact: "refused",
  conflict: "conflict",
  busy: "conflict",
  overloaded: "later",
  rate_limited: "later",
  draining: "later",
  starting: "later",
  storage_busy: "later",
  storage_full: "later",
  still_waiting: "later",
  home_in_use: "homeInUse",
  port_in_use: "address",
  address_unusable: "address",
  invalid_config: "config",
  invalid_token: "config",
  invalid_upstream: "config",
  invalid_environment: "config",
  home_unusable: "home",
  file_exists: "conflict",
  invalid_backup: "usage",
  corrupt: "storage",
  newer_schema: "storage",
  storage_failed: "storage",
};

interface Details {
  hint?: string | undefined;
  /** Default: by the code. */
  exit?: Exit;
  /** What `--json` prints; default: the error. */
  shown?: object;
}

/** Ends the command. `message` is one line without a full stop. */
export class CliError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: Exit;
  readonly shown: object;

  constructor(code: string, message: string, { hint, exit, shown }: Details = {}) {
    super(message);
    this.name = "CliError";
    this.code = code;
    this.hint = hint;
    this.exit = exit ?? exitOfCode[code] ?? "failed";
    this.shown = shown ?? { error: { code, message, ...(hint !== undefined && { hint }) } };
  }
}

export function exitList(): string {
  const lines = Object.values(exits).map(({ code, means }) => `  ${String(code).padStart(2)}  ${means}`);
  return `Exit codes:\n${lines.join("\n")}`;
}
