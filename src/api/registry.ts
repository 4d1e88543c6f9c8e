/** The registry in its plain form: out as a stream, in as one text that is read whole before anything changes. */

import { isAbsolute } from "node:path";
import { createRoute, z } from "@hono/zod-openapi";
import { parseInput } from "../contacts/inbound.ts";
import { textBody } from "./body.ts";
import { ApiError } from "./errors.ts";
import { type Face, failures, given, json, readFailures, writeFailures } from "./route.ts";
import { importSchema, registrySchema } from "./schemas.ts";

/** Room for some 100,000 contacts, which keep the ledger busy for some seconds; more come in several files. */
const maxImportBytes = 32 * 1024 * 1024;

const many = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());

const importQuery = z.strictObject({
  mapTier: many
    .optional()
    .meta({ type: "array", description: "`theirs=ours`, once for each tier that has another name here" }),
  transcripts: z
    .string()
    .refine((folder) => isAbsolute(folder), { error: "must be an absolute path" })
    .optional()
    .meta({ description: "A Claude config folder on the daemon's machine, with the conversations" }),
});

export function registryRoutes({ app, switchboard, log }: Face): void {
  const exportRoute = createRoute({
    method: "get",
    path: "/v1/registry",
    summary: "All chats in their plain form, `sessions.json`, in order of chat id",
    responses: { 200: json(registrySchema, "The registry"), ...failures(...readFailures) },
  });
  const importRoute = createRoute({
    method: "post",
    path: "/v1/registry",
    summary: "Take chats over from a `sessions.json`: all of it, or nothing",
    request: {
      query: importQuery,
      body: { required: true, content: { "application/json": { schema: registrySchema } } },
    },
    responses: {
      200: json(importSchema, "What it did"),
      ...failures(
        "invalid_request",
        "invalid_registry",
        "invalid_text",
        "unknown_tier",
        "too_large",
        "unsupported_media_type",
        ...writeFailures,
      ),
    },
  });
  // Documented as the others are, but neither text passes as one JSON value: one is a stream, and of the other the
  // lines are told.
  for (const route of [exportRoute, importRoute]) app.openAPIRegistry.registerPath(route);

  app.get(exportRoute.path, async (c) => {
    const headers = { "content-type": "application/json" };
    if (c.req.method === "HEAD") return new Response(null, { headers });
    const pieces = switchboard.exportRegistry()[Symbol.asyncIterator]();
    // Before the status leaves, so that a storage that cannot be read is told by it.
    const first = await pieces.next();
    return new Response(ReadableStream.from(encoded(first, pieces)), { headers });
  });

  app.post(importRoute.path, async (c) => {
    const { mapTier = [], transcripts } = parseInput(importQuery, flat(c.req.queries()), "query");
    const text = await textBody(c, maxImportBytes);
    const tiers = Object.fromEntries(mapTier.map(pairOf));
    return c.json(await switchboard.importRegistry(text, { mapTier: tiers, ...given({ transcripts }) }), 200);
  });

  async function* encoded(
    first: IteratorResult<string>,
    pieces: AsyncIterator<string>,
  ): AsyncGenerator<Uint8Array, void, void> {
    const encoder = new TextEncoder();
    try {
      for (let next = first; next.done !== true; next = await pieces.next()) yield encoder.encode(next.value);
    } catch (error) {
      // The status has left; that the body ends in the middle tells the client, and why is in the log.
      log.error({ err: error }, "an export broke off");
      throw error;
    } finally {
      await pieces.return?.();
    }
  }
}

/** One value where a key came once. */
function flat(queries: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(queries).map(([key, values]) => [key, values.length === 1 ? (values[0] ?? "") : values]),
  );
}

function pairOf(pair: string): [from: string, to: string] {
  const at = pair.lastIndexOf("=");
  if (at > 0 && at < pair.length - 1) return [pair.slice(0, at), pair.slice(at + 1)];
  throw new ApiError("invalid_request", `mapTier: must be theirs=ours (found ${JSON.stringify(pair)})`, {
    field: "mapTier",
  });
}
