import { createRoute, z } from "@hono/zod-openapi";
import { decisionSchema } from "../contacts/inbound.ts";
import { type Face, failures, given, json, readFailures, wholeNumber, writeFailures } from "./route.ts";
import { approvalSchema, approvalsSchema } from "./schemas.ts";

/** Tool calls that wait for a person's yes, and the answers. */
export function approvalRoutes({ app, switchboard }: Face): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/approvals",
      summary: "Tool calls that wait for a person's yes, the most urgent first",
      request: { query: z.strictObject({ limit: wholeNumber(1, 1000).optional() }) },
      responses: {
        200: json(approvalsSchema, "Those that wait now"),
        ...failures("invalid_request", ...readFailures),
      },
    }),
    async (c) => c.json({ approvals: await switchboard.pendingApprovals(given(c.req.valid("query"))) }, 200),
  );

  const answers = [
    ["approve", "Let that very call run, once"],
    ["deny", "Don't let it run; Claude is told so"],
  ] as const;
  for (const [answer, summary] of answers) {
    app.openapi(
      createRoute({
        method: "post",
        path: `/v1/approvals/{id}/${answer}`,
        summary,
        request: { params: z.object({ id: z.string() }), query: decisionSchema },
        responses: {
          200: json(approvalSchema, "As it was decided"),
          ...failures("invalid_request", "not_found", ...writeFailures),
        },
      }),
      async (c) =>
        c.json(await switchboard[answer](c.req.valid("param").id, given(c.req.valid("query"))), 200),
    );
  }
}
