/** One request of a process, whole, so that it can be sent more than once. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

export interface Question {
  /** With its query. */
  readonly path: string;
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Null: it has none, which is not the same as an empty one. */
  readonly body: Buffer | null;
}

/** Bytes. The API itself takes no larger request. */
const maxBodyBytes = 32 * 2 ** 20;

/** Reads the request to its end. Resolves with "too large" then, and rejects when the process leaves before it. */
export async function readQuestion(path: string, incoming: IncomingMessage): Promise<Question | "too large"> {
  const { method, headers } = incoming;
  const chunks: Buffer[] = [];
  let length = 0;
  // To the end in any case: a client that is still sending does not listen.
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length <= maxBodyBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (length > maxBodyBytes) return "too large";
  const framed = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  return { path, method, headers, body: framed ? Buffer.concat(chunks) : null };
}

/** Parses the body, which may take long (10 ms a MB): to be asked only in trouble. */
export function wantsStream({ body }: Question): boolean {
  try {
    const json: unknown = JSON.parse(String(body));
    return typeof json === "object" && json !== null && "stream" in json && json.stream === true;
  } catch {
    return false;
  }
}
