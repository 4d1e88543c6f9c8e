import { createRoute, z } from "@hono/zod-openapi";
import type { ReloadView } from "../views.ts";
import { ApiError } from "./errors.ts";
import {
  type Face,
  failures,
  given,
  json,
  openFailures,
  readFailures,
  wholeNumber,
  writeFailures,
} from "./route.ts";
import {
  healthSchema,
  hostSchema,
  overviewSchema,
  readySchema,
  reloadSchema,
  shutdownSchema,
} from "./schemas.ts";

/** Open to anyone on this machine who knows the address. */
export function healthRoutes({ app, switchboard }: Face): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/healthz",
      summary: "Whether the daemon lives",
      security: [],
      responses: { 200: json(healthSchema, "It lives"), ...openFailures() },
    }),
    (c) => c.json({ status: "ok" as const, pid: process.pid }, 200),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/readyz",
      summary: "Whether messages are accepted",
      security: [],
      responses: { 200: json(readySchema, "They are"), ...openFailures("internal", ...readFailures) },
    }),
    async (c) => {
      if (switchboard.host.state !== "running") throw new ApiError("draining", "shutting down");
      // Without a ledger that answers nothing is accepted.
      await switchboard.chats({ limit: 1 });
      return c.json({ status: "ready" as const }, 200);
    },
  );
}

/** For Prometheus, by the token as everything else. */
export function metricsRoutes({ app, switchboard }: Face): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/metrics",
      summary: "Numbers for Prometheus, in its text format; counters begin with the daemon",
      responses: {
        200: { description: "As they stand", content: { "text/plain": { schema: z.string() } } },
        ...failures(...readFailures),
      },
    }),
    async (c) => c.text(await switchboard.metrics(), 200),
  );
}

/** What the daemon is, how to change what it goes by, and how to end it. `shutdown` may be called more than once. */
export function hostRoutes(
  { app, switchboard }: Face,
  { shutdown, reload }: { shutdown(): void; reload(): Promise<ReloadView> },
): void {
  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/host",
      summary: "The daemon: its version, tiers and processes",
      responses: { 200: json(hostSchema, "As it runs"), ...failures() },
    }),
    (c) => c.json(switchboard.host, 200),
  );

  app.openapi(
    createRoute({
      method: "get",
      path: "/v1/overview",
      summary: "How it goes, now and over the last hours (default 6)",
      request: { query: z.strictObject({ hours: wholeNumber(1, 168).optional() }) },
      responses: {
        200: json(overviewSchema, "In up to 72 steps of the same length"),
        ...failures("invalid_request", ...readFailures),
      },
    }),
    async (c) => c.json(await switchboard.overview(given(c.req.valid("query"))), 200),
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/reload",
      summary:
        "Have switchboard.toml read again: all of what it says, or nothing when something is not valid",
      responses: {
        200: json(reloadSchema, "It is in force"),
        ...failures("invalid_config", ...writeFailures),
      },
    }),
    async (c) => c.json(await reload(), 200),
  );

  app.openapi(
    createRoute({
      method: "post",
      path: "/v1/shutdown",
      summary: "End the daemon: accept no more, let running turns end, close every process",
      responses: { 202: json(shutdownSchema, "It is ending; gone when it answers no more"), ...failures() },
    }),
    (c) => {
      shutdown();
      return c.json({ state: "draining" as const, pid: process.pid }, 202);
    },
  );
}
