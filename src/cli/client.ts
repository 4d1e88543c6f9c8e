/** The daemon as its HTTP API shows it: the only way by which the command line reaches it. */

import { CliError } from "./exit.ts";

export interface Endpoint {
  /** Without a slash at the end. Read for each request: a daemon that comes back may have another. */
  readonly url: string;
  readonly token: string | undefined;
  /** Whether the home names it: then it runs on this machine and sees our files. Default: false. */
  readonly isLocal?: boolean;
}

export class Client {
  readonly isLocal: boolean;
  readonly #endpoint: Endpoint;
  readonly #token: string | undefined;

  constructor(endpoint: Endpoint) {
    this.isLocal = endpoint.isLocal ?? false;
    this.#endpoint = endpoint;
    this.#token = endpoint.token;
  }

  /** Where the daemon is by now. */
  get url(): string {
    return this.#endpoint.url;
  }

  /** `T` is what the API's document promises for the path; the daemon is built with the same types. */
  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#json(await this.#fetch("GET", path, { signal }));
  }

  async post<T>(path: string, body?: object): Promise<T> {
    return this.#json(await this.#fetch("POST", path, { body }));
  }

  /** A body as it is, to be sent as JSON. */
  async send<T>(path: string, body: Uint8Array<ArrayBuffer>): Promise<T> {
    return this.#json(await this.#fetch("POST", path, { body }));
  }

  async delete<T>(path: string): Promise<T> {
    return this.#json(await this.#fetch("DELETE", path));
  }

  /** An answer whose body is read as it comes. */
  async body(path: string): Promise<Response> {
    const response = await this.#fetch("GET", path);
    if (!response.ok) throw await this.#error(response);
    return response;
  }

  /** A stream of events, from the one after `lastEventId` on. */
  async stream(path: string, lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const response = await this.#fetch("GET", path, {
      headers: { accept: "text/event-stream", ...(lastEventId && { "last-event-id": lastEventId }) },
      signal,
    });
    if (!response.ok) throw await this.#error(response);
    return response;
  }

  async #fetch(
    method: string,
    path: string,
    more: {
      body?: object | Uint8Array<ArrayBuffer> | undefined;
      headers?: Record<string, string>;
      signal?: AbortSignal | undefined;
    } = {},
  ): Promise<Response> {
    const { url } = this;
    try {
      return await fetch(url + path, {
        method,
        headers: {
          ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
          ...(more.body !== undefined && { "content-type": "application/json" }),
          ...more.headers,
        },
        ...(more.body !== undefined && {
          body: more.body instanceof Uint8Array ? more.body : JSON.stringify(more.body),
        }),
        ...(more.signal !== undefined && { signal: more.signal }),
      });
    } catch (error) {
      throw unreachable(url, error);
    }
  }

  async #json<T>(response: Response): Promise<T> {
    if (!response.ok) throw await this.#error(response);
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw unreachable(this.url, error);
    }
  }

  async #error(response: Response): Promise<CliError> {
    const body: unknown = await response.json().catch(() => null);
    const error = isErrorBody(body) ? body.error : undefined;
    if (error === undefined) {
      return new CliError(
        "unreachable",
        `what answers at ${this.url} is not Switchboard (${response.status})`,
        {
          hint: "Name the daemon's address with --url.",
        },
      );
    }
    if (error.code === "unauthorized") {
      const message = this.#token === undefined ? "there is no token for" : "this token is not the one of";
      return new CliError(error.code, `${message} the daemon at ${this.url}`, {
        hint: "It is in the file `token` of the daemon's home: name that with --home, or the token with --token.",
      });
    }
    return new CliError(error.code, error.message, { hint: error.hint });
  }
}

interface ErrorBody {
  error: { code: string; message: string; hint?: string };
}

function isErrorBody(body: unknown): body is ErrorBody {
  if (typeof body !== "object" || body === null || !("error" in body)) return false;
  const { error } = body;
  return typeof error === "object" && error !== null && "code" in error && "message" in error;
}

export function unreachable(url: string, error: unknown): CliError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new CliError("unreachable", `no daemon answers at ${url} (${reason})`, {
    hint: "Start it with `switchboard start`.",
  });
}

/** `rest` begins with a slash or is empty. */
export function chatPath(chatId: string, rest = ""): string {
  // A URL cannot carry these as a segment.
  if (chatId === "" || chatId === "." || chatId === "..") {
    throw new CliError("invalid_chat_id", `CHAT cannot be "${chatId}"`);
  }
  return `/v1/chats/${encodeURIComponent(chatId)}${rest}`;
}
