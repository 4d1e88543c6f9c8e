import { createRoute, z } from "@hono/zod-openapi";
import { commonRaiseSchema, raiseSchema } from "../contacts/inbound.ts";
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
import { raisedSchema, usageSchema } from "./schemas.ts";

/** What the model costs, and more of it than the budget. */
export function usageRoutes({ app, switchboard }: Face, maxBodyBytes: number): void {
  const query = z.strictObject({ days: wholeNumber(1, 400).optional() });
  const responses = { 200: json(usageSchema, "By day (UTC), tier and model, the latest day first") };
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/usage",
      summary: "What the model has cost, all chats together",
      request: { query },
      responses: { ...responses, ...failures("invalid_request", ...readFailures) },
    }),
    async (c) => c.json({ usage: await switchboard.usage(given(c.req.valid("query"))) }, 200),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/chats/{chatId}/usage",
      summary: "What the model has cost for a chat",
      request: { params: chatParams, query },
      responses: {
        ...responses,
        ...failures("invalid_request", "invalid_chat_id", "not_found", ...readFailures),
      },
    }),
    async (c) => {
      const { chatId } = c.req.valid("param");
      return c.json({ usage: await switchboard.usage({ ...given(c.req.valid("query")), chatId }) }, 200);
    },
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/allow-more",
      summary: "Allow more than the budget for today, to all or to the chats under a tier",
      request: { body: { required: true, content: { "application/json": { schema: commonRaiseSchema } } } },
      middleware: jsonBody(maxBodyBytes),
      responses: {
        200: json(raisedSchema, "What was allowed"),
        ...failures(...bodyFailures, "unknown_tier", ...writeFailures),
      },
    }),
    async (c) => {
      const { usd, tier } = c.req.valid("json");
      return c.json(await switchboard.allowMore(usd, tier === undefined ? undefined : { tier }), 200);
    },
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/chats/{chatId}/allow-more",
      summary: "Allow more than the budget for today, to a chat",
      request: {
        params: chatParams,
        body: { required: true, content: { "application/json": { schema: raiseSchema } } },
      },
      middleware: jsonBody(maxBodyBytes),
      responses: {
        200: json(raisedSchema, "What was allowed"),
        ...failures(...bodyFailures, "invalid_chat_id", "not_found", ...writeFailures),
      },
    }),
    async (c) => {
      const { chatId } = c.req.valid("param");
      return c.json(await switchboard.allowMore(c.req.valid("json").usd, { chatId }), 200);
    },
  );
}
