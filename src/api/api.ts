/**
 * The inbound HTTP face. Order of what a request passes: who may ask (host, origin, token), then the path's
 * well-formedness, then the route's schemas, then Switchboard. Handlers only know success; every error is
 * thrown and answered in one place.
 */

import { OpenAPIHono } from "@hono/zod-openapi";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type Clock, systemClock } from "../clock.ts";
import { inputError } from "../contacts/inbound.ts";
import type { Logger } from "../log.ts";
import type { Switchboard } from "../switchboard.ts";
import type { ReloadView } from "../views.ts";
import { approvalRoutes } from "./approvals.ts";
import { chatRoutes } from "./chats.ts";
import { dashboardRoutes } from "./dashboard.ts";
import { ApiError, errorResponse } from "./errors.ts";
import { eventRoutes } from "./events.ts";
import { bearer, ownHost, ownOrigin } from "./guard.ts";
import { healthRoutes, hostRoutes, metricsRoutes } from "./lifecycle.ts";
import { messageRoutes } from "./messages.ts";
import { pendingRoutes } from "./pending.ts";
import { registryRoutes } from "./registry.ts";
import { replyRoutes } from "./replies.ts";
import type { Face } from "./route.ts";
import { usageRoutes } from "./usage.ts";

export interface ApiOptions {
  switchboard: Switchboard;
  /** Who shows it may do everything. */
  token: string;
  /** The host that the server listens on; with loopback's names the only ones that requests may name. */
  host: string;
  log: Logger;
  /** The longest text of a message, in bytes of UTF-8, and what all its attachments may have. */
  limits: { textBytes: number; attachmentBytes: number };
  /** Asked for by `POST /v1/shutdown`; may be called more than once. */
  shutdown(): void;
  /** Asked for by `POST /v1/reload`: has the config read again. */
  reload(): Promise<ReloadView>;
  /** Aborted when Switchboard is closed: open streams and waits end, and nothing is answered any more. */
  ending: AbortSignal;
  /** Default: the system's. */
  clock?: Clock;
}

/** What answers until there is a Switchboard to answer with. */
export function startingApi(log: Logger): { fetch(request: Request): Response } {
  return { fetch: () => errorResponse(new ApiError("starting", "the daemon is starting"), log) };
}

/** A byte of text takes at most six in JSON (`\u001f`), three of a file take four; the rest is room for the other fields. */
function maxBodyBytes({ textBytes = 0, attachmentBytes = 0 }: Partial<ApiOptions["limits"]>): number {
  return textBytes * 6 + Math.ceil(attachmentBytes / 3) * 4 + 64 * 1024;
}

export function createApi(options: ApiOptions): OpenAPIHono {
  const { switchboard, log, ending, clock = systemClock } = options;
  const app = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw inputError(result.error, result.target === "json" ? "body" : result.target);
    },
  });
  const face: Face = { app, switchboard, log, clock, ending };

  app.onError((error) => errorResponse(error, log));
  app.notFound((c) => errorResponse(new ApiError("not_found", `no such path: ${c.req.path}`), log));
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
    c.res.headers.set("x-content-type-options", "nosniff");
  });
  app.use(ownHost(options.host), ownOrigin());
  app.use(async (c, next) => {
    if (ending.aborted) throw new ApiError("draining", "shutting down");
    if (!wellFormed(c.req.path)) {
      const code = c.req.path.startsWith("/v1/chats/") ? "invalid_chat_id" : "invalid_request";
      throw new ApiError(code, "the path holds a malformed percent-encoding", {
        hint: "Encode the bytes of UTF-8, each as % and two hexadecimal digits.",
      });
    }
    await next();
  });
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allow = methods.join(", ");
        const error = new ApiError(
          "method_not_allowed",
          `${c.req.method} is not offered here, only ${allow}`,
          {
            headers: { allow },
          },
        );
        return errorResponse(error, log);
      },
    }),
  );

  dashboardRoutes(face);
  healthRoutes(face);
  // Everything from here on asks for the token, paths that do not exist included.
  app.use(bearer(options.token));
  messageRoutes(face, maxBodyBytes(options.limits));
  chatRoutes(face, maxBodyBytes({}));
  eventRoutes(face);
  replyRoutes(face);
  pendingRoutes(face, maxBodyBytes({}));
  approvalRoutes(face);
  usageRoutes(face, maxBodyBytes({}));
  registryRoutes(face);
  metricsRoutes(face);
  hostRoutes(face, options);
  app.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  app.doc31("/v1/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Switchboard", version: "1" },
    security: [{ token: [] }],
  });
  return app;
}

function wellFormed(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
