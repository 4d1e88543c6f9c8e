/** Plays one step as the answer to one request. Every wait ends when the client has gone. */
import type { ServerResponse } from "node:http";
import { type Clock, sleep } from "../clock.ts";
import { type MessageWriter, messageWriter, sendError } from "./message-writer.ts";
import type { MessagesRequest } from "./messages-api.ts";
import type { Step } from "./step.ts";

export interface Exchange {
  readonly request: MessagesRequest;
  readonly response: ServerResponse;
  /** Aborts when the connection is closed. */
  readonly gone: AbortSignal;
  readonly clock: Clock;
}

export async function play(step: Step, exchange: Exchange): Promise<void> {
  const { request, response, gone } = exchange;
  switch (step.kind) {
    case "gate":
      await resolvedOr(gone, step.until);
      if (!gone.aborted) await play(step.step, exchange);
      return;
    case "text":
      return playText(step, messageWriter(request, response), exchange);
    case "tool": {
      const message = messageWriter(request, response);
      if (step.textBefore !== undefined) message.text(step.textBefore);
      message.tool(step.name, step.input);
      return message.end("tool_use");
    }
    case "empty":
      return messageWriter(request, response).end("end_turn");
    case "error":
      return sendError(response, step.status, step.type, step.message, step.headers);
    case "streamError": {
      const message = messageWriter(request, response);
      message.text(step.text);
      return message.fail(step.type, step.message ?? "Scripted error");
    }
    case "hang":
      return;
    case "stall": {
      const message = messageWriter(request, response);
      message.text(step.text);
      return message.breakOff();
    }
    case "reset":
      if (step.afterText !== undefined) {
        const message = messageWriter(request, response);
        message.text(step.afterText);
        await message.breakOff();
      }
      response.destroy();
  }
}

async function playText(
  step: Extract<Step, { kind: "text" }>,
  message: MessageWriter,
  { gone, clock }: Exchange,
): Promise<void> {
  const tokens = step.tokens ?? pieces(step.text);
  const half = Math.ceil(tokens.length / 2);
  for (const [i, token] of tokens.entries()) {
    if (i > 0 && step.tokenDelayMs !== undefined) await sleep(clock, step.tokenDelayMs, gone);
    if (gone.aborted) return;
    message.text(token);
    if (i + 1 === half && step.hold) await resolvedOr(gone, step.hold);
  }
  if (!gone.aborted) message.end(step.stopReason ?? "end_turn");
}

/** Pieces of a text, cut between words: a few, however long it is. */
function pieces(text: string): string[] {
  const length = Math.max(16, Math.ceil(text.length / 32));
  return text.split(/(?<=\s)/).reduce<string[]>((pieces, word) => {
    const last = pieces.at(-1);
    if (last === undefined || last.length >= length) pieces.push(word);
    else pieces[pieces.length - 1] = last + word;
    return pieces;
  }, []);
}

function resolvedOr(gone: AbortSignal, promise: Promise<unknown>): Promise<unknown> {
  if (gone.aborted) return Promise.resolve();
  return Promise.race([
    promise,
    new Promise((resolve) => gone.addEventListener("abort", resolve, { once: true })),
  ]);
}
