import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteLedger } from "../../src/ledger/index.ts";
import { describeLedger } from "./contract.ts";

describeLedger("sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "switchboard-ledger-"));
  return {
    open: () => openSqliteLedger({ path: join(folder, "ledger.db") }),
    remove: () => rm(folder, { recursive: true }),
  };
});
