/** The model and the receiver of replies: what stands around the daemon, in the bench's own process. */

import { once } from "node:events";
import { createServer } from "node:http";
import {
  type OfflineModel,
  type RecordedRequest,
  readConversation,
  type Step,
  startOffline,
} from "../../src/offline/index.ts";

/** What a message asks the model for; `quick` is an answer at once. `overloaded`: the first request for it is refused. */
export type Order = "quick" | "slow" | "tool" | "overloaded";

/** The request alone tells the model what comes next, so the text is all that directs it. `n`: no two are equal. */
export function textOf(order: Order, n: number): string {
  return `Message ${n}: ${order}`;
}

/** An answer that is slow takes two seconds. */
const slow = { tokens: Array.from({ length: 20 }, (_, i) => ` ${i + 1}`), tokenDelayMs: 100 };

export async function openOrderedModel(): Promise<OfflineModel> {
  const model = await startOffline();
  const refused = new Set<string>();
  model.script((request) => {
    if (request.kind !== "messages") return undefined;
    const { open } = readConversation(request.body);
    for (const text of open) {
      const step = stepFor(text, request, refused);
      if (step !== undefined) return step;
    }
    return undefined;
  });
  return model;
}

function stepFor(text: string, { body }: RecordedRequest, refused: Set<string>): Step | undefined {
  switch (/^Message \d+: (\w+)$/.exec(text)?.[1]) {
    case "slow":
      return { kind: "text", text: slow.tokens.join(""), ...slow };
    case "tool": {
      const said = body.messages.filter(({ role }) => role === "assistant");
      if (JSON.stringify(said).includes(text)) return undefined;
      return { kind: "tool", name: "Bash", input: { command: `sleep 0.3 # ${text}` } };
    }
    case "overloaded":
      if (refused.has(text)) return undefined;
      refused.add(text);
      return { kind: "error", status: 529, type: "overloaded_error", message: "Overloaded" };
    default:
      return undefined;
  }
}

export interface Receiver {
  readonly url: string;
  close(): void;
}

/** Takes every reply. */
export async function openReceiver(): Promise<Receiver> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(204).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the receiver has no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
