/** What ails the model's API, in a sentence. */

import type { TroubleView } from "../views.ts";

/** `trouble.message` is the API's own: it may hold anything. */
export function troubleText({ kind, since, until, message }: TroubleView): string {
  return `The model's API ${what[kind]} since ${untilText(since)}; ${then(kind, untilText(until))} (${message})`;
}

const what: Record<TroubleView["kind"], string> = {
  transient: "has had passing trouble",
  limit: "has given no more answers than its usage limit allows",
  authentication: "has refused the credential",
  billing: "has refused for want of payment",
};

function then(kind: TroubleView["kind"], until: string): string {
  switch (kind) {
    case "transient":
      return `requests are tried again, not before ${until}`;
    case "limit":
      return `the chats wait until ${until}`;
    case "authentication":
    case "billing":
      return `the chats wait until it is put right, and it is tried again at ${until}`;
  }
}

/** Local time, with the day. */
export function untilText(at: string): string {
  return new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}
