/** The channels of `switchboard.toml`. Each kind of channel knows its own keys; no error shows a value, for some are secret. */

import type { z } from "zod";
import type { Clock } from "../clock.ts";
import { SwitchboardError } from "../errors.ts";
import type { Channel } from "./channel.ts";
import { Webhook, webhookSchema } from "./webhook.ts";

const nameForm = /^[a-z][a-z0-9_-]{0,31}$/;

/** `tables`: what stands under `channels`, by name. Throws `invalid_config` for the first key that is wrong. */
export function channelsOf(tables: Readonly<Record<string, unknown>>, clock: Clock): Channel[] {
  return Object.entries(tables).map(([name, table]) => {
    if (!nameForm.test(name)) {
      throw invalid(
        ["channels", name],
        "a channel's name is 1 to 32 of a-z, 0-9, - and _, and begins with a letter",
      );
    }
    const type = typeof table === "object" && table !== null && "type" in table ? table.type : undefined;
    switch (type) {
      case "webhook":
        return new Webhook(name, parsed(webhookSchema, name, table), clock);
      default:
        throw invalid(["channels", name, "type"], 'must be "webhook"');
    }
  });
}

function parsed<T>(schema: z.ZodType<T>, name: string, table: unknown): T {
  const result = schema.safeParse(table);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknownKey = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  throw invalid(["channels", name, ...(issue?.path ?? []), ...unknownKey], issue?.message ?? "is not valid");
}

function invalid(path: readonly PropertyKey[], message: string): SwitchboardError {
  const field = path.map(String).join(".");
  return new SwitchboardError("invalid_config", `${field}: ${message}`, { field });
}
