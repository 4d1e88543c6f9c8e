/** Failures that more than one call of the face has, in the words of our callers. */

import { admitted } from "./contacts/tiers.ts";
import { SwitchboardError } from "./errors.ts";
import { LedgerError } from "./ledger/index.ts";

export function draining(): SwitchboardError {
  return new SwitchboardError("draining", "Switchboard is shutting down", {
    hint: "Send it again in a moment.",
  });
}

export function refused(tier: string): SwitchboardError {
  return new SwitchboardError("refused_contact", `messages of tier ${tier} are refused`, {
    field: "contact.tier",
    hint: `Name the contact with one of the tiers ${admitted.join(", ")}.`,
  });
}

/** What the ledger cannot do, in the words of our callers. */
export async function storage<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    const { code, message } = error;
    switch (code) {
      case "storage_full":
      case "storage_busy":
        throw new SwitchboardError(code, message, { cause: error });
      case "closed":
        throw draining();
      case "invalid":
        throw new SwitchboardError("invalid_request", message, { cause: error });
      default:
        throw new SwitchboardError("storage_failed", message, { cause: error });
    }
  }
}
