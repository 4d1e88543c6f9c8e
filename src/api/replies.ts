import { createRoute, z } from "@hono/zod-openapi";
import { type Face, failures, given, json, readFailures, wholeNumber, writeFailures } from "./route.ts";
import { deliveriesSchema, deliverySchema } from "./schemas.ts";

/** Replies that their channel did not get out, and another chance for them. */
export function replyRoutes({ app, switchboard }: Face): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/replies/failed",
      summary: "Replies that were not delivered, or of which nobody knows, oldest first",
      request: {
        query: z.strictObject({ after: z.string().optional(), limit: wholeNumber(1, 1000).optional() }),
      },
      responses: {
        200: json(deliveriesSchema, "One page"),
        ...failures("invalid_request", ...readFailures),
      },
    }),
    async (c) => c.json(await switchboard.failedReplies(given(c.req.valid("query"))), 200),
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/replies/{id}/retry",
      summary: "Send a reply again that failed or is uncertain",
      request: { params: z.object({ id: z.string() }) },
      responses: {
        200: json(deliverySchema, "It waits for its channel again"),
        ...failures("not_found", ...writeFailures),
      },
    }),
    async (c) => c.json(await switchboard.retryReply(c.req.valid("param").id), 200),
  );
}
