import { createRoute, z } from "@hono/zod-openapi";
import { jsonBody } from "./body.ts";
import {
  chatParams,
  type Face,
  failures,
  given,
  json,
  readFailures,
  untilEnd,
  wholeNumber,
  writeFailures,
} from "./route.ts";
import { historySchema, messageInput, messageSchema } from "./schemas.ts";

/** A page of history without `limit`. */
const defaultLimit = 100;

const place = wholeNumber(0, Number.MAX_SAFE_INTEGER);
const timeline = z
  .enum(["true", "false"])
  .optional()
  .meta({ description: "true: with what happened to each message, step by step" });

export function messageRoutes(face: Face, maxBodyBytes: number): void {
  const { app, switchboard, ending } = face;

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/chats/{chatId}/messages",
      summary: "Hand over a message; it is on disk when this answers",
      request: {
        params: chatParams,
        query: z.strictObject({ wait: wholeNumber(0, 300).optional() }),
        body: { required: true, content: { "application/json": { schema: messageInput } } },
      },
      middleware: jsonBody(maxBodyBytes),
      responses: {
        200: json(messageSchema, "It has its end status, or its external id was known: as it stands"),
        202: json(messageSchema, "Accepted; its answer comes later"),
        ...failures(
          "invalid_request",
          "invalid_json",
          "invalid_chat_id",
          "invalid_text",
          "unknown_tier",
          "invalid_attachment",
          "refused_contact",
          "conflict",
          "too_large",
          "unsupported_media_type",
          "overloaded",
          "rate_limited",
          ...writeFailures,
        ),
      },
    }),
    async (c) => {
      const { wait = 0 } = c.req.valid("query");
      const receipt = await switchboard.receive(c.req.valid("param").chatId, c.req.valid("json"));
      const message =
        wait === 0 || receipt.message.endedAt !== null
          ? receipt.message
          : await switchboard.settled(receipt.message.id, {
              timeoutMs: wait * 1000,
              signal: untilEnd(c, ending),
            });
      const known = receipt.duplicate || message.endedAt !== null;
      return known ? c.json(message, 200) : c.json(message, 202);
    },
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/messages/{id}",
      summary: "A message as it stands",
      request: { params: z.object({ id: z.string() }), query: z.strictObject({ timeline }) },
      responses: {
        200: json(messageSchema, "The message"),
        ...failures("invalid_request", "not_found", ...readFailures),
      },
    }),
    async (c) => {
      const asked = { timeline: c.req.valid("query").timeline === "true" };
      return c.json(await switchboard.message(c.req.valid("param").id, asked), 200);
    },
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats/{chatId}/messages",
      summary: "A chat's messages and replies: those with after < seq < before, oldest or newest first",
      request: {
        params: chatParams,
        query: z.strictObject({
          after: place.optional(),
          before: place.optional(),
          order: z.enum(["oldest", "newest"]).optional(),
          limit: wholeNumber(1, 1000).optional(),
          timeline,
        }),
      },
      responses: {
        200: json(historySchema, "One page"),
        ...failures("invalid_request", "invalid_chat_id", "not_found", ...readFailures),
      },
    }),
    async (c) => {
      const { chatId } = c.req.valid("param");
      const { limit = defaultLimit, timeline, ...page } = c.req.valid("query");
      const asked = { ...given(page), limit, timeline: timeline === "true" };
      const history = await switchboard.history(chatId, asked);
      const next = history.length < limit ? null : (history.at(-1)?.seq ?? null);
      return c.json({ history, next }, 200);
    },
  );
}
