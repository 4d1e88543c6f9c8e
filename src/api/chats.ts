import { createRoute, z } from "@hono/zod-openapi";
import type { ActionView } from "../views.ts";
import { jsonBody } from "./body.ts";
import type { ApiErrorCode } from "./errors.ts";
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
import {
  actionSchema,
  chatSchema,
  chatStateSchema,
  chatsSchema,
  contactInput,
  runsSchema,
} from "./schemas.ts";

export function chatRoutes(face: Face, maxBodyBytes: number): void {
  const { app, switchboard } = face;

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats",
      summary: "The chats, most recently active first",
      request: {
        query: z.strictObject({
          after: z.string().optional(),
          limit: wholeNumber(1, 1000).optional(),
          state: chatStateSchema.optional(),
        }),
      },
      responses: { 200: json(chatsSchema, "One page"), ...failures("invalid_request", ...readFailures) },
    }),
    async (c) => c.json(await switchboard.chats(given(c.req.valid("query"))), 200),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats/{chatId}",
      summary: "A chat",
      request: { params: chatParams },
      responses: {
        200: json(chatSchema, "The chat"),
        ...failures("invalid_chat_id", "not_found", ...readFailures),
      },
    }),
    async (c) => c.json(await switchboard.chat(c.req.valid("param").chatId), 200),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats/{chatId}/processes",
      summary: "A chat's processes, the latest first: why each was started, and why it ended",
      request: { params: chatParams, query: z.strictObject({ limit: wholeNumber(1, 1000).optional() }) },
      responses: {
        200: json(runsSchema, "The latest of them (default 20)"),
        ...failures("invalid_request", "invalid_chat_id", "not_found", ...readFailures),
      },
    }),
    async (c) => {
      const { chatId } = c.req.valid("param");
      return c.json({ processes: await switchboard.processes(chatId, given(c.req.valid("query"))) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: "put",
      path: "/v1/chats/{chatId}",
      summary: "Name a chat or change its contact; only the given fields change",
      request: {
        params: chatParams,
        body: { required: true, content: { "application/json": { schema: contactInput } } },
      },
      middleware: jsonBody(maxBodyBytes),
      responses: {
        200: json(chatSchema, "The chat as it is now"),
        ...failures(...bodyFailures, "invalid_chat_id", "unknown_tier", ...writeFailures),
      },
    }),
    async (c) => {
      const { contact } = c.req.valid("json");
      return c.json(await switchboard.putContact(c.req.valid("param").chatId, contact), 200);
    },
  );

  app.openapi(
    createRoute({
      method: "delete",
      path: "/v1/chats/{chatId}",
      summary: "Forget a chat: stop everything, and remove messages, replies, conversation and files",
      request: { params: chatParams },
      responses: {
        200: json(actionSchema, "Nothing of it is left"),
        ...failures("invalid_chat_id", "not_found", ...writeFailures),
      },
    }),
    async (c) => c.json(await switchboard.forget(c.req.valid("param").chatId), 200),
  );

  const action = (
    name: string,
    summary: string,
    act: (chatId: string) => Promise<ActionView>,
    ...codes: ApiErrorCode[]
  ) =>
    app.openapi(
      createRoute({
        method: "post",
        path: `/v1/chats/{chatId}/${name}`,
        summary,
        request: { params: chatParams },
        responses: {
          200: json(actionSchema, "What it did"),
          ...failures("invalid_chat_id", "not_found", ...writeFailures, ...codes),
        },
      }),
      async (c) => c.json(await act(c.req.valid("param").chatId), 200),
    );
  action("stop", "End the running turn and every waiting message", (id) => switchboard.stop(id));
  action("close", "Close the process; the conversation stays", (id) => switchboard.closeChat(id));
  const restart = "Close the process and start another on the same session";
  action("restart", restart, (id) => switchboard.restart(id), "refused_contact");
  action("reset", "Stop, and begin a new session", (id) => switchboard.reset(id));
  action("wake", "Start the process ahead of a message that is likely to come", (id) => switchboard.wake(id));
  const undoReset = "Bring back the session before the last reset";
  action("undo-reset", undoReset, (id) => switchboard.undoReset(id), "busy");
}
