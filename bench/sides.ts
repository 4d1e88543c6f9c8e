/** What is the same for Switchboard and its rivals wherever chats talk. */

import { randomUUID } from "node:crypto";
import type { Switchboard } from "../src/index.ts";
import type { Model } from "./model.ts";
import { hangsAfterMs, orAbort, type Run } from "./run.ts";

/** All sides ask with this tier's model, prompt and tools. */
export const tier = "family";

/** One message, from when it is handed over, in ms. */
export interface Exchange {
  /** Until the model's server has the request that carries it. */
  requestMs: number;
  /** Until whoever sent it has the answer. */
  answerMs: number;
}

/** `ask` resolves when its message is answered. Rejects when the run is to end early, or when it hangs. */
export async function exchange(
  model: Model,
  signal: AbortSignal,
  ask: (text: string) => Promise<unknown>,
): Promise<Exchange> {
  const text = `Message ${randomUUID()}`;
  const arrival = model.arrival(text);
  const begun = performance.now();
  const answer = ask(text).then(() => performance.now());
  const [askedAt, answeredAt] = await orAbort(Promise.all([arrival, answer]), signal);
  return { requestMs: askedAt - begun, answerMs: answeredAt - begun };
}

/** Resolves when the message is answered. */
export async function askSwitchboard(switchboard: Switchboard, chatId: string, text: string): Promise<void> {
  const { message } = await switchboard.receive(chatId, { text, id: randomUUID(), contact: { tier } });
  const { status } = await switchboard.settled(message.id, { timeoutMs: hangsAfterMs });
  if (status !== "answered") throw new Error(`a message ended as ${status}`);
}

/** As `inTurns`, for turns that may take minutes: whatever could hang in one has a limit of its own. */
export async function inRounds(
  what: string,
  rounds: number,
  sides: ReadonlyArray<(round: number) => Promise<void>>,
  run: Run,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    run.say(`${what}: round ${round + 1} of ${rounds}`);
    for (const measure of round % 2 === 0 ? sides : sides.toReversed()) {
      run.signal.throwIfAborted();
      await measure(round);
    }
  }
}
