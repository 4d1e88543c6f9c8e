/** What the routes share: the parts they are made of, their inputs, and how they are documented. */

import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Clock } from "../clock.ts";
import { chatIdSchema } from "../contacts/inbound.ts";
import type { Logger } from "../log.ts";
import type { Switchboard } from "../switchboard.ts";
import { type ApiErrorCode, statusOf } from "./errors.ts";
import { errorSchema } from "./schemas.ts";

export interface Face {
  app: OpenAPIHono;
  switchboard: Switchboard;
  log: Logger;
  clock: Clock;
  /** Aborted when the daemon is about to close the server: what is still held open ends. */
  ending: AbortSignal;
}

export const chatParams = z.object({ chatId: chatIdSchema });

/** A whole number in a query. */
export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .refine((text) => /^\d{1,16}$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `must be a whole number from ${min} to ${max}`,
    })
    .transform(Number)
    .meta({ type: "integer", minimum: min, maximum: max });
}

export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** What whoever reads from the ledger may meet. */
export const readFailures = ["storage_busy", "storage_failed"] as const;
/** What whoever writes to it may meet. */
export const writeFailures = [...readFailures, "storage_full"] as const;

/** What whoever sends JSON may meet. */
export const bodyFailures = [
  "invalid_request",
  "invalid_json",
  "invalid_text",
  "too_large",
  "unsupported_media_type",
] as const;

/** What any request may meet before its route is looked at. */
const always: readonly ApiErrorCode[] = ["foreign_host", "foreign_origin", "starting", "draining"];

/** Documents the errors of a route, with the codes of each status; they are thrown, so its handler's type knows nothing of them. */
export function failures(...codes: ApiErrorCode[]): object {
  return openFailures(...codes, "unauthorized", "internal");
}

/** Of a route that asks for no token. */
export function openFailures(...codes: ApiErrorCode[]): object {
  const byStatus = Map.groupBy(new Set([...codes, ...always]), statusOf);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => {
      const narrowed = z.object({ error: z.object({ code: z.enum(list) }) });
      return [status, json(errorSchema.and(narrowed), list.map((code) => `\`${code}\``).join(", "))];
    }),
  );
}

/** Aborts when the client has gone or the daemon ends. */
export function untilEnd(c: Context, ending: AbortSignal): AbortSignal {
  return AbortSignal.any([c.req.raw.signal, ending]);
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without the keys that are undefined, which optional fields of a schema's output may be. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}
