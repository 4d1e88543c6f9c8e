import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ApiError, type ApiErrorCode } from "./errors.ts";
import { chatParams, type Face, failures, given, untilEnd, wholeNumber } from "./route.ts";
import { eventSchema } from "./schemas.ts";
import { eventStream } from "./sse.ts";

const pingMs = 15_000;
const after = wholeNumber(0, Number.MAX_SAFE_INTEGER).optional();

export function eventRoutes(face: Face): void {
  const { app, switchboard, log, clock, ending } = face;
  const query = z.strictObject({
    after,
    text: z.enum(["true", "false"]).optional().meta({ description: "false leaves out the pieces of text" }),
    follow: z.enum(["true", "false"]).optional().meta({
      description: "false: from the first event (or `after`) on, and ends with what has happened by now",
    }),
  });
  const responses = (...codes: ApiErrorCode[]) => ({
    200: {
      description: "Durable events with their number as `id`, and `text` pieces without one",
      content: { "text/event-stream": { schema: eventSchema } },
    },
    ...failures("invalid_request", ...codes),
  });

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats/{chatId}/events",
      summary: "What happens in a chat, as it happens",
      request: { params: chatParams, query },
      responses: responses("invalid_chat_id"),
    }),
    (c) => stream(c, c.req.valid("query"), c.req.valid("param").chatId),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/events",
      summary: "What happens in all chats, as it happens",
      request: { query },
      responses: responses(),
    }),
    (c) => stream(c, c.req.valid("query")),
  );

  function stream(c: Context, asked: z.output<typeof query>, chatId?: string): Response {
    const from = lastEventId(c) ?? asked.after;
    const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
    // Nobody reads the body of this answer, so nobody would end its stream.
    if (c.req.method === "HEAD") return new Response(null, { headers });
    const gone = new AbortController();
    const events = switchboard.events({
      ...given({ after: from, chatId }),
      text: asked.text !== "false",
      follow: asked.follow !== "false",
      signal: AbortSignal.any([untilEnd(c, ending), gone.signal]),
    });
    const body = eventStream(events, {
      cancel: () => gone.abort(),
      failed: (error) => log.error({ err: error }, "event stream failed"),
      clock,
      pingMs,
    });
    return new Response(body, { headers });
  }
}

/** Where a client that was cut off goes on from: it is newer than what its URL says. */
function lastEventId(c: Context): number | undefined {
  const header = c.req.header("last-event-id");
  if (header === undefined || header === "") return undefined;
  const parsed = after.safeParse(header);
  if (parsed.success) return parsed.data;
  throw new ApiError("invalid_request", "Last-Event-ID: must be the number of an event", {
    field: "Last-Event-ID",
  });
}
