/** As much of Telegram's Bot API as the bot needs: https://core.telegram.org/bots/api. */

export interface Update {
  update_id: number;
  message?: Message;
}

export interface Message {
  chat: { id: number; type: "private" | "group" | "supergroup" | "channel"; title?: string };
  /** Missing in a channel's posts. */
  from?: { id: number; first_name: string };
  /** Missing in a picture, a voice and the like. */
  text?: string;
}

interface Refusal {
  ok: false;
  error_code: number;
  description: string;
  parameters?: { retry_after?: number };
}

/** What the API said no to: it has certainly not been done. */
export class RefusedError extends Error {
  readonly status: number;
  /** ms, from when on it may be tried again. */
  readonly afterMs: number;

  constructor({ error_code, description, parameters }: Refusal) {
    super(`${error_code} ${description}`);
    this.status = error_code;
    this.afterMs = (parameters?.retry_after ?? 0) * 1000;
  }
}

export class BotApi {
  readonly #url: string;

  constructor(baseUrl: string, token: string) {
    this.#url = `${baseUrl}/bot${token}`;
  }

  /** Updates from `offset` on; all before are confirmed by that, and never come again. Waits for some for up to 50 s. */
  getUpdates(offset: number, signal: AbortSignal): Promise<Update[]> {
    const overdue = AbortSignal.timeout(60_000);
    const parameters = { offset, timeout: 50, allowed_updates: ["message"] };
    return this.#call("getUpdates", parameters, AbortSignal.any([signal, overdue]));
  }

  /** At most 4096 UTF-16 units of text. */
  sendMessage(chat: number, text: string, signal: AbortSignal): Promise<unknown> {
    return this.#call("sendMessage", { chat_id: chat, text }, signal);
  }

  /** It is shown for 5 s, or until the next message. */
  sendTyping(chat: number): Promise<unknown> {
    const parameters = { chat_id: chat, action: "typing" };
    return this.#call("sendChatAction", parameters, AbortSignal.timeout(5000));
  }

  async #call<T>(method: string, parameters: object, signal: AbortSignal): Promise<T> {
    const response = await fetch(`${this.#url}/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(parameters),
      signal,
    });
    const answer = (await response.json()) as { ok: true; result: T } | Refusal;
    if (answer.ok) return answer.result;
    // Of a call that failed over there nobody knows what it came to.
    throw answer.error_code < 500 ? new RefusedError(answer) : new Error(answer.description);
  }
}

/** Whether a call never reached the API. */
export function isUnsent(error: unknown): boolean {
  const cause =
    error instanceof Error && error.cause instanceof Error && "code" in error.cause && error.cause.code;
  return ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"].includes(String(cause));
}
