/**
 * What may be handed over to a process now. Pure.
 *
 * In the order of acceptance, nobody overtakes anybody. A message joins what is in the process's hands only if the queue
 * mode says so, if the process has the policy that holds for it, and if its reply goes the same way: one reply cannot go
 * two. Nor does it with documents: of a message that joins a turn the CLI keeps texts and pictures alone (measured with
 * 2.1.330). What is handed over as one parcel is one turn.
 */

import type { Json, QueueMode, Sender } from "../ledger/index.ts";
import { currentUuid, type Entry, inHand } from "./entry.ts";

export interface Handover {
  /** Charged already. */
  handOver: Entry[][];
  /** To be charged first. */
  charge: Entry[][];
  /** The next message needs a process with another policy, and this one has nothing in hand any more. */
  otherPolicy: boolean;
  /** In ms of the monotonic clock: when to look again, because more may come until then. Null: no need to. */
  lookAgainAt: number | null;
}

/** ms. A burst is over when nothing has come for so long, or when its first message has waited for the longest. */
export const burst = { quietMs: 2000, longestMs: 10_000 };

export interface Circumstances {
  mode: QueueMode;
  /** In ms of the monotonic clock. */
  now: number;
  /** Whether the process has the policy that holds for the sender. */
  fits: (sender: Sender | null) => boolean;
}

export function handover(entries: readonly Entry[], { mode, now, fits }: Circumstances): Handover {
  const next: Handover = { handOver: [], charge: [], otherPolicy: false, lookAgainAt: null };
  const hands = entries.filter(inHand);
  const waiting = entries.filter((entry) => !inHand(entry));
  const [first] = waiting;
  if (first === undefined) return next;
  if (!fits(first.message.sender)) {
    next.otherPolicy = hands.length === 0 && first.phase !== "pending";
    return next;
  }
  if (hands.length > 0 && mode !== "steer") return next;
  if (!hands.every((entry) => canShare(entry, first))) return next;
  const ready = waiting.slice(
    0,
    firstThat(waiting, (entry) => !fits(entry.message.sender) || !sameWay(first, entry)),
  );
  const blocked = ready.slice(
    0,
    firstThat(ready, ({ phase }) => phase === "pending"),
  );
  const charged = blocked.slice(
    0,
    firstThat(blocked, ({ phase }) => phase !== "charged"),
  );
  const parcels = parcelsOf(charged);
  // Whoever stands behind one that is charged in the other modes waits for that one's turn.
  next.handOver = mode === "steer" ? together(parcels, hands) : parcels.slice(0, 1);
  if ((mode !== "steer" && parcels.length > 0) || next.handOver.length < parcels.length) return next;
  // One that was charged with its acceptance can stand behind one that was not.
  const uncharged = blocked.slice(charged.length);
  const fresh = uncharged.slice(
    0,
    firstThat(uncharged, ({ phase }) => phase !== "queued"),
  );
  if (fresh.length === 0) return next;
  switch (mode) {
    case "steer":
      next.charge = together(
        fresh.map((entry) => [entry]),
        hands,
      );
      break;
    case "queue":
      next.charge = fresh.slice(0, 1).map((entry) => [entry]);
      break;
    case "interrupt":
      next.charge = [fresh];
      break;
    case "collect": {
      const over = burstEnd(fresh);
      if (now >= over) next.charge = [fresh];
      else next.lookAgainAt = over;
    }
  }
  return next;
}

/** Whether a message that is yet to be accepted could be handed over at once. */
export function couldJoin(
  entries: readonly Entry[],
  { mode, fits, ...way }: { mode: QueueMode; fits: boolean } & Way,
): boolean {
  if (!fits || mode === "collect" || !entries.every((entry) => inHand(entry) && !isAlone(entry)))
    return false;
  const [there] = entries;
  return there === undefined || (mode === "steer" && isSameWay(there.message, way));
}

/** Whether a message that waits may share the turn that runs, and its reply. */
export function couldShare(entries: readonly Entry[], entry: Entry, fits: boolean): boolean {
  const there = entries.find(inHand);
  return fits && there !== undefined && canShare(there, entry);
}

function canShare(a: Entry, b: Entry): boolean {
  return sameWay(a, b) && !isAlone(a) && !isAlone(b);
}

/** Its turn takes in nothing else, and it joins none. */
function isAlone({ message }: Entry): boolean {
  return message.attachments.some(({ type }) => !type.startsWith("image/"));
}

/** The first of them that a process may have in its hands at once, beside what it has there. */
function together(parcels: Entry[][], hands: readonly Entry[]): Entry[][] {
  const [first, ...rest] = parcels;
  if (first === undefined || first.some(isAlone)) return hands.length > 0 ? [] : parcels.slice(0, 1);
  return [
    first,
    ...rest.slice(
      0,
      firstThat(rest, (parcel) => parcel.some(isAlone)),
    ),
  ];
}

/** Where a message's reply goes. */
interface Way {
  channel: string | null;
  route: Json;
}

function burstEnd(entries: readonly Entry[]): number {
  const times = entries.map(({ since }) => since);
  return Math.min(Math.max(...times) + burst.quietMs, Math.min(...times) + burst.longestMs);
}

/** Those that were charged under one uuid are handed over as one. */
function parcelsOf(entries: readonly Entry[]): Entry[][] {
  return [...Map.groupBy(entries, currentUuid).values()];
}

function firstThat<T>(list: readonly T[], test: (item: T) => boolean): number {
  const at = list.findIndex(test);
  return at === -1 ? list.length : at;
}

function sameWay(a: Entry, b: Entry): boolean {
  return isSameWay(a.message, b.message);
}

function isSameWay(a: Way, b: Way): boolean {
  return a.channel === b.channel && JSON.stringify(a.route) === JSON.stringify(b.route);
}
