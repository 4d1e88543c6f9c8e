import { createRoute, z } from "@hono/zod-openapi";
import { admitSchema } from "../contacts/inbound.ts";
import { jsonBody } from "./body.ts";
import {
  bodyFailures,
  chatParams,
  type Face,
  failures,
  given,
  json,
  readFailures,
  wholeNumber,
  writeFailures,
} from "./route.ts";
import { chatSchema, pendingChatSchema, pendingSchema } from "./schemas.ts";

/** Chats that wrote without being known, and what becomes of them. */
export function pendingRoutes({ app, switchboard }: Face, maxBodyBytes: number): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/pending",
      summary: "Chats that nobody has named and whose messages were refused, the last to write first",
      request: { query: z.strictObject({ limit: wholeNumber(1, 1000).optional() }) },
      responses: {
        200: json(pendingSchema, "Of more than 1000 the oldest are forgotten"),
        ...failures("invalid_request", ...readFailures),
      },
    }),
    async (c) => c.json({ pending: await switchboard.pendingChats(given(c.req.valid("query"))) }, 200),
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/chats/{chatId}/admit",
      summary: "Name a chat that wrote without being known: its next message is accepted",
      request: {
        params: chatParams,
        body: { required: true, content: { "application/json": { schema: admitSchema } } },
      },
      middleware: jsonBody(maxBodyBytes),
      responses: {
        200: json(chatSchema, "The chat as it is now"),
        ...failures(...bodyFailures, "invalid_chat_id", "unknown_tier", ...writeFailures),
      },
    }),
    async (c) => {
      const { tier, name } = c.req.valid("json");
      const contact = { tier, ...given({ name }) };
      return c.json(await switchboard.admit(c.req.valid("param").chatId, contact), 200);
    },
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/chats/{chatId}/dismiss",
      summary: "Take a chat off the list of pending ones; it comes back with its next message",
      request: { params: chatParams },
      responses: {
        200: json(pendingChatSchema, "As it was"),
        ...failures("invalid_chat_id", "not_found", ...writeFailures),
      },
    }),
    async (c) => c.json(await switchboard.dismiss(c.req.valid("param").chatId), 200),
  );
}
