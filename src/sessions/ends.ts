/** Why processes are ended, in words for people, and in few for who counts them. */

/** What we end them for. A process that ends by itself says something else, and counts as `died`. */
const kinds = {
  "idle for long": "idle",
  "not needed any more": "idle",
  "the spare has ended": "idle",
  "its slot is needed": "evicted",
  shutdown: "shutdown",
  "closed on request": "request",
  "restarted on request": "request",
  reset: "request",
  "reset undone": "request",
  forgotten: "request",
  "stopped while starting": "stop",
  "did not stop when asked to": "stop",
  "the next message needs another policy": "policy",
  "the conversation is too long for the model": "conversation",
  "the conversation could not be made shorter": "conversation",
  "the conversation could not be made shorter this time": "conversation",
  "the conversation holds a file that the model's API refuses": "conversation",
  "what only failed is left out of the conversation": "conversation",
  "it is stopped (state T)": "hung",
  "it did not start up": "hung",
  "it does not answer": "hung",
  "a tool ran longer than it may": "hung",
  "its compaction does not end": "hung",
  "its turn neither asks the model nor runs a tool": "hung",
  "it did not take up the turn that was cut": "hung",
  "the session crashed": "crash",
  // The ledger's words for what a daemon before this one has left.
  "daemon ended": "crash",
} as const;

type OfLimit = `parked until ${string}: ${string}`;
type OfTier = `tier ${string} has changed`;
type OfMemory = `it took ${number} MiB of memory with its tools, and ${number} are allowed`;

export type EndReason = keyof typeof kinds | OfLimit | OfTier | OfMemory;
export type EndKind = (typeof kinds)[keyof typeof kinds] | "limit" | "memory" | "died";

export function endKindOf(reason: string): EndKind {
  if (isWritten(reason)) return kinds[reason];
  if (/^parked until /.test(reason)) return "limit";
  if (/^tier .+ has changed$/.test(reason)) return "policy";
  return /^it took \d+ MiB of memory /.test(reason) ? "memory" : "died";
}

function isWritten(reason: string): reason is keyof typeof kinds {
  return Object.hasOwn(kinds, reason);
}
