import type { Ledger } from "../../../src/ledger/index.ts";

/** A place that holds one ledger. */
export interface Place {
  /** Opens the ledger there, with what the one before it left. */
  open(): Promise<Ledger>;
  remove(): Promise<void>;
}

/** A test on a fresh ledger. `reopen` closes it and gives a new one on the same place. */
export type PromiseTest = (
  text: string,
  body: (ledger: Ledger, reopen: () => Promise<Ledger>) => Promise<void>,
) => void;
