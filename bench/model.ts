/** The offline model that both sides talk to, with an ear at its door. */

import { type OfflineModel, startOffline, userMessages } from "../src/offline/index.ts";

export interface Model {
  readonly url: string;
  /** Resolves with the monotonic time in ms at which the request whose newest message is `text` has come in whole. */
  arrival(text: string): Promise<number>;
  close(): Promise<void>;
}

/** `answers`: as the offline model does by itself; `hangs`: no request is ever answered. */
export async function openModel(behaviour: "answers" | "hangs"): Promise<Model> {
  const offline: OfflineModel = await startOffline();
  const awaited = new Map<string, (at: number) => void>();
  offline.script(({ body }) => {
    const at = performance.now();
    const text = userMessages(body).at(-1) ?? "";
    awaited.get(text)?.(at);
    awaited.delete(text);
    return behaviour === "hangs" ? { kind: "hang" } : undefined;
  });
  return {
    url: offline.url,
    arrival: (text) => new Promise((resolve) => awaited.set(text, resolve)),
    close: () => offline.close(),
  };
}
