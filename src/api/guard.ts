/**
 * Who may ask. A web page that runs in the operator's browser must not reach the API: neither by a name that it
 * has pointed at this machine (DNS rebinding: a foreign Host) nor from its own site (a foreign Origin).
 * Programs show the token.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { ApiError } from "./errors.ts";

const authority = /^(\[[0-9a-f:.]+\]|[^[\]:@/?#\s]+)(?::\d{1,5})?$/i;

/**
 * Refuses a Host that is not this machine's loopback or `bound`, the host that the server listens on.
 * A server on all addresses is also known by each of them, but not by names. Any port is fine: it may be forwarded.
 */
export function ownHost(bound: string): MiddlewareHandler {
  const own = new Set(["localhost", "127.0.0.1", "::1", bound.toLowerCase()]);
  const everywhere = bound === "0.0.0.0" || bound === "::";
  return async (c, next) => {
    const host = hostOf(c.req.raw);
    const name = authority
      .exec(host)?.[1]
      ?.replace(/^\[|\]$/g, "")
      .toLowerCase();
    // A line in a proxy's form names a host, too, which counts before the header (RFC 9112, 3.2.2).
    const isTwofold = new URL(c.req.raw.url).hostname !== URL.parse(`http://${host}`)?.hostname;
    if (isTwofold || name === undefined || !(own.has(name) || (everywhere && isIP(name) !== 0))) {
      throw new ApiError("foreign_host", "the request names a host that is not this daemon", {
        hint: "Call it by the address that it printed at its start.",
      });
    }
    await next();
  };
}

/** Refuses what a web page of another site sends; a page that this daemon served has the Host as its Origin. */
export function ownOrigin(): MiddlewareHandler {
  return async (c, next) => {
    const origin = c.req.header("origin");
    if (origin !== undefined && origin.toLowerCase() !== `http://${hostOf(c.req.raw).toLowerCase()}`) {
      throw new ApiError("foreign_origin", "the request comes from another site");
    }
    await next();
  };
}

/** Hashes both sides, so that the comparison takes the same time whatever was sent. */
export function bearer(token: string): MiddlewareHandler {
  const expected = sha256(token);
  return async (c, next) => {
    const given = /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined || !timingSafeEqual(sha256(given), expected)) {
      throw new ApiError("unauthorized", given === undefined ? "no token was sent" : "wrong token", {
        hint: "Send the header Authorization: Bearer TOKEN with the content of the file `token` in the daemon's home.",
        headers: { "www-authenticate": 'Bearer realm="switchboard"' },
      });
    }
    await next();
  };
}

function hostOf(request: Request): string {
  return request.headers.get("host") ?? new URL(request.url).host;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
