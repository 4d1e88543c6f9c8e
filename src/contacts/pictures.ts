/**
 * Whether pictures can be decoded, tried where a hostile one can do no harm: in WebAssembly of bounded memory, in a thread of
 * its own that is ended with it, whatever it does there. One at a time: decoded a picture takes some hundred MB.
 */

import { extname } from "node:path";
import { Worker } from "node:worker_threads";

export interface Undecodable {
  /** Which of them. */
  at: number;
  why: string;
}

/** ms that a picture may take; the largest allowed takes about 500. */
const mostMs = 15_000;

const workerUrl = new URL(`./decoder${extname(import.meta.url)}`, import.meta.url);

let last: Promise<unknown> = Promise.resolve();

/** The first that cannot be decoded; null: all can. Each is copied to the thread. */
export function whyUndecodable(pictures: readonly Uint8Array[]): Promise<Undecodable | null> {
  const result = last.then(() => tryAll(pictures));
  last = result.catch(() => {});
  return result;
}

async function tryAll(pictures: readonly Uint8Array[]): Promise<Undecodable | null> {
  for (const [at, picture] of pictures.entries()) {
    const why = await tryOne(picture);
    if (why !== null) return { at, why };
  }
  return null;
}

/** In a fresh thread: what one has left behind in the memory would take room from the next. */
async function tryOne(picture: Uint8Array): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const worker = new Worker(workerUrl, { name: "decoder", execArgv: [], stdout: true, stderr: true });
  const ended = () => resolve("the decoder gave up");
  const timer = setTimeout(() => resolve("it takes too long"), mostMs);
  worker.once("message", resolve).once("error", ended).once("exit", ended);
  worker.postMessage(picture);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
