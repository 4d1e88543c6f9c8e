/**
 * What may be handed over to a process now. Pure.
 *
 * In the order of acceptance, nobody overtakes anybody. A message joins what is in the process's hands only if the
 * process has the policy that holds for it, and if its reply goes the same way: one reply cannot go two.
 */

import type { Json, Sender } from "../ledger/index.ts";
import { type Entry, inHand } from "./entry.ts";

export interface Handover {
  /** Charged already. */
  handOver: Entry[];
  /** To be charged first. */
  charge: Entry[];
  /** The next message needs a process with another policy, and this one has nothing in hand any more. */
  otherPolicy: boolean;
}

export function handover(entries: readonly Entry[], fits: (sender: Sender | null) => boolean): Handover {
  const next: Handover = { handOver: [], charge: [], otherPolicy: false };
  const there = entries.filter(inHand);
  for (const entry of entries) {
    if (inHand(entry)) continue;
    if (entry.phase === "pending" || (entry.phase === "charged" && next.charge.length > 0)) break;
    if (!fits(entry.message.sender)) {
      next.otherPolicy = there.length === 0;
      break;
    }
    if (!sameWay(there[0], entry.message.route)) break;
    there.push(entry);
    if (entry.phase === "charged") next.handOver.push(entry);
    else next.charge.push(entry);
  }
  return next;
}

/** Whether a message that is yet to be accepted could be handed over at once. */
export function couldJoin(entries: readonly Entry[], fits: boolean, route: Json): boolean {
  return fits && entries.every(inHand) && sameWay(entries[0], route);
}

function sameWay(there: Entry | undefined, route: Json): boolean {
  return there === undefined || JSON.stringify(there.message.route) === JSON.stringify(route);
}
