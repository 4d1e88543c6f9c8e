/**
 * The model behind the daemon: the offline stand-in, directed by the words of the messages in each request. Every request
 * is written down before it is answered. An answer names the nonces of the messages that it is for.
 */

import {
  type OfflineModel,
  type RecordedRequest,
  readConversation,
  type Step,
  startOffline,
} from "../src/offline/index.ts";
import type { FaultRecord, Journal, RequestRecord } from "./evidence.ts";
import { type Orders, ordersIn } from "./orders.ts";

/** What a request was answered with, for whoever waits for a moment to strike. */
export interface Asked {
  readonly sessionId: string;
  readonly phase: "text" | "after a tool" | "tool";
  /** The messages that the request is to be answered for. */
  readonly open: readonly Orders[];
  /** The file that the tool makes in its work folder when it has begun. */
  readonly toolFile: string | null;
  /** False when the answer has left whole, or the connection is gone. */
  underWay(): boolean;
}

export interface ModelOptions {
  readonly requests: Journal<RequestRecord>;
  readonly faults: Journal<FaultRecord>;
  generationOf(sessionId: string): number | null;
  /** Whether the daemon's wall clock is right: a limit's end is told in its time. */
  clockIsRight(): boolean;
  /** Called for each request that runs the model. What it returns is waited for before the answer begins. */
  onAsked(asked: Asked): Promise<void> | null;
}

/** ms. A hanging request ends by a closed connection after so long, or the round would wait for the CLI's patience. */
const hangMs = 8000;
/** Seconds that a refused request is asked to wait. */
const retryAfterSeconds = 2;
/** A usage limit ends with the minute, and begins so many seconds before at most: it is short because it is late. */
const limitBegins = { from: 55, before: 58 };
const slowTokens = 16;
const tokenDelayMs = 90;
/** Seconds that a tool runs. */
const toolSeconds = 0.8;
/** Seconds for which what a tool leaves behind would live. */
const leftSeconds = 20;

export interface ChaosModel {
  readonly url: string;
  /** From now on there is no trouble but what is under way. */
  calm(): void;
  close(): Promise<void>;
}

export async function startModel(options: ModelOptions): Promise<ChaosModel> {
  const offline: OfflineModel = await startOffline();
  const director = new Director(options);
  offline.script((request) => director.step(request));
  return { url: offline.url, calm: () => director.calm(), close: () => offline.close() };
}

class Director {
  readonly #options: ModelOptions;
  /** How often each message has met its trouble. */
  readonly #met = new Map<string, number>();
  /** The minute, since the epoch, in which the last usage limit was. */
  #limitedAt = 0;
  #calm = false;

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  calm(): void {
    this.#calm = true;
  }

  step(request: RecordedRequest): Step | undefined {
    const header = request.headers["x-claude-code-session-id"];
    const sessionId = typeof header === "string" ? header : null;
    const { tools: _, ...body } = request.body;
    const { n, at, kind } = request;
    const generation = sessionId === null ? null : this.#options.generationOf(sessionId);
    this.#options.requests.write({ n, at, kind, sessionId, generation, body });
    if (kind !== "messages" || sessionId === null) return undefined;
    return this.#direct(request, sessionId);
  }

  #direct({ body, ended }: RecordedRequest, sessionId: string): Step {
    const conversation = readConversation(body);
    const open = conversation.open.flatMap((text) => ordersIn(text) ?? []);
    const trouble = this.#troubleFor(open);
    if (trouble !== null) return trouble;

    const turns = JSON.stringify(body.messages.filter(({ role }) => role === "assistant"));
    const call = open.flatMap(callsOf).find((file) => !turns.includes(file));
    const step = call === undefined ? answer(open, conversation.begun) : tool(call);
    let underWay = true;
    void ended.then(() => {
      underWay = false;
    });
    const until = this.#options.onAsked({
      sessionId,
      phase: call !== undefined ? "tool" : endsInToolResult(body.messages) ? "after a tool" : "text",
      open,
      toolFile: call ?? null,
      underWay: () => underWay,
    });
    return until === null ? step : { kind: "gate", until, step };
  }

  #troubleFor(open: readonly Orders[]): Step | null {
    if (this.#calm) return null;
    const limit = this.#limit(open);
    if (limit !== null) return limit;
    for (const { nonce, trouble } of open) {
      const met = this.#met.get(nonce) ?? 0;
      if (trouble === null || met >= trouble.times) continue;
      this.#met.set(nonce, met + 1);
      this.#options.faults.write({ at: Date.now(), kind: "model", trouble: trouble.kind, nonce });
      return stepOf(trouble.kind);
    }
    return null;
  }

  /** Once a minute, shortly before its end. */
  #limit([first]: readonly Orders[]): Step | null {
    const now = Date.now();
    const minute = Math.floor(now / 60_000);
    const second = (now / 1000) % 60;
    const isTime = second >= limitBegins.from && second < limitBegins.before && minute !== this.#limitedAt;
    if (first === undefined || !isTime || !this.#options.clockIsRight()) return null;
    this.#limitedAt = minute;
    this.#options.faults.write({ at: now, kind: "model", trouble: "usage limit", nonce: first.nonce });
    const end = new Date((minute + 1) * 60_000).toISOString();
    const message = `You have reached your specified API usage limits. You will regain access on ${end.slice(0, 10)} at ${end.slice(11, 16)} UTC.`;
    return { kind: "error", status: 400, type: "invalid_request_error", message };
  }
}

function stepOf(trouble: NonNullable<Orders["trouble"]>["kind"]): Step {
  switch (trouble) {
    case "fail-529":
      return { kind: "error", status: 529, type: "overloaded_error", message: "Overloaded" };
    case "fail-500":
      return { kind: "error", status: 500, type: "api_error", message: "Internal server error" };
    case "fail-429":
      return {
        kind: "error",
        status: 429,
        type: "rate_limit_error",
        message: "Too many requests",
        headers: {
          "retry-after": String(retryAfterSeconds),
          "anthropic-ratelimit-unified-status": "rejected",
          "anthropic-ratelimit-unified-reset": String(Math.ceil(Date.now() / 1000) + retryAfterSeconds),
        },
      };
    case "hang":
      return { kind: "gate", until: pause(hangMs), step: { kind: "reset" } };
    case "reset":
      return { kind: "reset" };
    case "cut":
      return { kind: "reset", afterText: "Answering " };
  }
}

/** The files by which the calls of a message are told apart: one in the conversation is not called again. */
function callsOf({ nonce, tools }: Orders): string[] {
  return Array.from({ length: tools }, (_, i) => `tool-${nonce}-${i + 1}`);
}

/** It leaves a process behind: what a session has started must be gone before another of its processes is there. */
function tool(file: string): Step {
  const left = `(sleep ${leftSeconds} >/dev/null 2>&1 &)`;
  const command = `rm -f ${file}.done; touch ${file}.begun; ${left}; sleep ${toolSeconds}; touch ${file}.done`;
  return { kind: "tool", name: "Bash", input: { command } };
}

function answer(open: readonly Orders[], begun: string): Step {
  const named = open.map(({ nonce }) => nonce).join(" and ");
  const whole = `Answering ${named === "" ? "nothing new" : named}.`;
  const text = whole.startsWith(begun) ? whole.slice(begun.length) : whole;
  if (!open.some(({ slow }) => slow)) return { kind: "text", text };
  const tokens = [text, ...Array.from({ length: slowTokens }, (_, i) => ` ${i + 1}`)];
  return { kind: "text", text: tokens.join(""), tokens, tokenDelayMs };
}

function endsInToolResult(messages: RecordedRequest["body"]["messages"]): boolean {
  const last = messages.findLast(({ role }) => role === "user")?.content;
  return Array.isArray(last) && last.some(({ type }) => type === "tool_result");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
