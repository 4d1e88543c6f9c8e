/**
 * Reads a request's JSON before the validator asks for it: never more than the limit, also of a body that
 * does not tell its length; as strict UTF-8, so that no text is changed on its way in; with errors that help.
 */

import type { Context, MiddlewareHandler } from "hono";
import { ApiError, unsupportedMediaType } from "./errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** `maxBytes`: the largest body that is read. */
export function jsonBody(maxBytes: number): MiddlewareHandler {
  return async (c, next) => {
    requireJson(c);
    const body = parse(decode(await read(c.req.raw, maxBytes)));
    c.req.json = () => Promise.resolve(body);
    await next();
  };
}

/** A body that the handler reads by itself, so that what is wrong in it is told by its line. Strict UTF-8. */
export async function textBody(c: Context, maxBytes: number): Promise<string> {
  requireJson(c);
  return decode(await read(c.req.raw, maxBytes));
}

function requireJson(c: Context): void {
  const mediaType = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType !== "application/json") throw unsupportedMediaType();
}

async function read(request: Request, maxBytes: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  try {
    // Much faster than the stream, and bounded: the parser of HTTP holds a body to its declared length.
    if (declared !== null) return new Uint8Array(await request.arrayBuffer());
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError("invalid_request", "the body ended early", { field: "body" });
  }
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError("too_large", `the body is larger than ${maxBytes} bytes`, {
    field: "body",
    // What is still on its way is not read to its end.
    headers: { connection: "close" },
  });
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ApiError("invalid_text", "the body is not valid UTF-8", { field: "body" });
  }
}

function parse(text: string) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const where = error instanceof SyntaxError ? `: ${error.message}` : "";
    throw new ApiError("invalid_json", `the body is not valid JSON${where}`, { field: "body" });
  }
}
