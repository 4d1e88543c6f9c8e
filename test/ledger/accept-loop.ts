/** A program for the crash test: accepts messages as fast as it can and prints the id of each that is acknowledged. */

import { writeSync } from "node:fs";
import { openSqliteLedger } from "../../src/ledger/index.ts";
import { accepted } from "./support.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("usage: accept-loop.ts PATH");
const ledger = await openSqliteLedger({ path });
await Promise.all(
  Array.from({ length: 16 }, async (_, caller) => {
    for (;;) {
      const { id } = await accepted(ledger, `chat ${caller}`, "hi");
      writeSync(1, `${id}\n`);
    }
  }),
);
