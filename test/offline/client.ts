/** A client of the Messages API, as small as the tests need it. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import { z } from "zod";

export const body = (text: string, fields: object = {}) => ({
  model: "claude-sonnet-5-5",
  max_tokens: 100,
  messages: [{ role: "user", content: text }],
  ...fields,
});

export const streamed = (text: string) => body(text, { stream: true });

export function post(url: string, json: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    body: typeof json === "string" ? json : JSON.stringify(json),
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
  });
}

const messageSchema = z.object({
  content: z.array(
    z.looseObject({ type: z.string(), text: z.string().optional(), input: z.unknown().optional() }),
  ),
  stop_reason: z.string(),
  usage: z.object({ input_tokens: z.number(), output_tokens: z.number() }),
});

/** A whole message. */
export async function messageOf(response: Response): Promise<z.infer<typeof messageSchema>> {
  return messageSchema.parse(await response.json());
}

const errorSchema = z.object({
  type: z.literal("error"),
  error: z.object({ type: z.string(), message: z.string() }),
});

/** An error in the API's shape. */
export async function errorOf(response: Response): Promise<z.infer<typeof errorSchema>["error"]> {
  return errorSchema.parse(await response.json()).error;
}

const eventSchema = z.object({
  type: z.string(),
  index: z.number().optional(),
  message: z.object({ usage: z.object({ input_tokens: z.number() }) }).optional(),
  content_block: z.object({ type: z.string(), name: z.string().optional() }).optional(),
  delta: z
    .object({
      text: z.string().optional(),
      partial_json: z.string().optional(),
      stop_reason: z.string().optional(),
    })
    .optional(),
  usage: z.object({ output_tokens: z.number() }).optional(),
  error: z.object({ type: z.string(), message: z.string() }).optional(),
});
export type StreamEvent = z.infer<typeof eventSchema>;

/** The events of a streamed message as they come. */
export async function* events(response: Response): AsyncGenerator<StreamEvent, undefined> {
  if (!response.body) throw new Error("no body");
  const stream = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of stream) {
    const parsed = eventSchema.parse(JSON.parse(data));
    if (parsed.type !== event) throw new Error(`event ${event} carries ${parsed.type}`);
    yield parsed;
  }
}

/** Reads on until the text so far is `text`. */
export async function readUntil(stream: AsyncGenerator<StreamEvent>, text: string): Promise<StreamEvent[]> {
  const got: StreamEvent[] = [];
  while (textOf(got) !== text) {
    const { value, done } = await stream.next();
    if (done) throw new Error(`the stream ended after "${textOf(got)}"`);
    got.push(value);
  }
  return got;
}

export async function all(stream: AsyncGenerator<StreamEvent>): Promise<StreamEvent[]> {
  const got: StreamEvent[] = [];
  for await (const event of stream) got.push(event);
  return got;
}

export const textOf = (events: readonly StreamEvent[]) =>
  events.map(({ delta }) => delta?.text ?? "").join("");

/** Resolves with "pending" after what is already under way on this machine had its chance to come. */
export const pending = () => new Promise<"pending">((resolve) => setTimeout(() => resolve("pending"), 50));
