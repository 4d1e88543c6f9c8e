/**
 * What a channel may hand over, as schemas: the API's document is generated from the same ones that refuse
 * bad input. What contacts write is data; nothing here looks for meaning in it.
 */

import { z } from "zod";
import { SwitchboardError } from "../errors.ts";
import { attachmentLimits } from "./attachments.ts";
import { admitted, isTier } from "./tiers.ts";

const control = /\p{Cc}/u;

/** A custom issue whose `params.code` becomes the error's code. */
function problem(
  code: "invalid_chat_id" | "invalid_text" | "invalid_attachment" | "unknown_tier",
  message: string,
  hint?: string,
) {
  return { error: message, params: { code, hint } };
}

/**
 * 1 to 256 bytes of well-formed UTF-8 without control characters. `.` and `..` are refused: a URL cannot carry
 * them as a segment, however encoded (RFC 3986, 5.2.4).
 */
export const chatIdSchema = z
  .string()
  .refine(
    (id) =>
      id.isWellFormed() &&
      !control.test(id) &&
      Buffer.byteLength(id) >= 1 &&
      Buffer.byteLength(id) <= 256 &&
      id !== "." &&
      id !== "..",
    problem(
      "invalid_chat_id",
      "must be 1 to 256 bytes of well-formed UTF-8 without control characters, and not . or ..",
    ),
  );

/** A short line that people read: a name. 1 to 256 characters, no control characters. */
export const line = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => text.isWellFormed() && !control.test(text) && text.trim() !== "", {
    error: "must be one line of well-formed text",
  });

/** An id as a channel gives it. */
export const idSchema = z
  .string()
  .min(1)
  .max(256)
  .refine((id) => id.isWellFormed() && !control.test(id), { error: "must be one line of well-formed text" });

export const tierSchema = z
  .string()
  .refine(isTier, problem("unknown_tier", `no such tier (allowed: ${admitted.join(", ")}, unknown)`));

export const contactPatchSchema = z.strictObject({
  name: line.nullable().optional(),
  tier: tierSchema.optional(),
  group: z.boolean().optional(),
  queueMode: z.enum(["steer", "queue", "collect", "interrupt"]).nullable().optional(),
});

/** A person's answer to a question. */
export const decisionSchema = z.strictObject({
  /** Who says so. */
  by: line.optional(),
});

/** Of a chat that wrote without being known. */
export const admitSchema = z.strictObject({
  tier: tierSchema,
  /** Default: as its messages called it. */
  name: line.optional(),
});

/** More of a day's budget, in USD. */
export const raiseSchema = z.strictObject({
  usd: z.number().positive().max(1_000_000),
});

/** The same for all, or for the chats under a tier. */
export const commonRaiseSchema = raiseSchema.extend({ tier: tierSchema.optional() });

export const senderSchema = z.strictObject({
  id: idSchema,
  name: line,
  tier: tierSchema.optional(),
});

const textSchema = z
  .string()
  .refine(
    (text) => text.isWellFormed(),
    problem("invalid_text", "holds a lone surrogate", "Send well-formed Unicode."),
  )
  .refine((text) => !text.includes("\0"), problem("invalid_text", "holds a NUL character"));

/** A file, whose type is told by its content. `name`: as the contact calls it, for Claude to read. */
const attachmentSchema = z.strictObject({
  name: line,
  data: z.string().meta({ contentEncoding: "base64", description: "Its bytes as base64" }),
});

/** Levels of lists and objects in any JSON that is taken in. Whatever reads JSON is recursive: a deeper one could exhaust the stack. */
export const maxDepth = 32;

/** Any JSON that is not nested deeper than that. */
const routeSchema = z
  .unknown()
  .refine((route) => isWithin(route, maxDepth), {
    error: `is nested deeper than ${maxDepth} levels`,
    abort: true,
  })
  .pipe(z.json());

export function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((child) => isWithin(child, depth - 1));
}

const inboundFields = z.strictObject({
  text: textSchema,
  id: idSchema.optional(),
  contact: contactPatchSchema.optional(),
  sender: senderSchema.optional(),
  /** The channel that the replies go out by. Default: none; they are fetched. */
  channel: idSchema.optional(),
  route: routeSchema.optional(),
  attachments: z
    .array(attachmentSchema)
    .refine(
      (list) => list.length <= attachmentLimits.count,
      problem("invalid_attachment", `more than ${attachmentLimits.count}`, "Send them in several messages."),
    )
    .optional(),
});

/** A blank text makes the CLI answer by itself, without the model. */
export const inboundSchema = inboundFields.refine(
  ({ text, attachments = [] }) => text.trim() !== "" || attachments.length > 0,
  { path: ["text"], ...problem("invalid_text", "is empty") },
);

export type InboundInput = z.input<typeof inboundSchema>;

/** Validates `input`; throws a {@link SwitchboardError} that names the first field that is wrong. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown, root?: string): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw inputError(result.error, root);
}

/** The first issue as the error that callers see. `root` names the input itself when the issue is about all of it. */
export function inputError(error: z.ZodError, root = "body"): SwitchboardError {
  const issue = error.issues[0];
  if (issue === undefined) return new SwitchboardError("invalid_request", "the input is not valid");
  const unknownKey = issue.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const path = [...issue.path.map(String), ...(unknownKey === undefined ? [] : [unknownKey])];
  const field = path.length === 0 ? root : path.join(".");
  const params = issue.code === "custom" ? issue.params : undefined;
  const code = params?.code ?? "invalid_request";
  const hint = params?.hint;
  return new SwitchboardError(code, `${field}: ${issue.message}`, {
    field,
    ...(hint === undefined ? {} : { hint }),
  });
}
