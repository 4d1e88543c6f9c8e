import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { withFolder, withLedgerAt } from "./support.ts";

const program = fileURLToPath(new URL("./accept-loop.ts", import.meta.url));

describe("sqlite: kill -9", () => {
  it("loses nothing that was acknowledged", () =>
    withFolder(async (folder) => {
      const path = join(folder, "ledger.db");
      let known = 0;
      for (const enough of [1, 300, 1000]) {
        const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
        const exited = once(child, "exit");
        const acknowledged: string[] = [];
        for await (const line of createInterface(child.stdout)) {
          acknowledged.push(line);
          if (acknowledged.length === enough) child.kill("SIGKILL");
        }
        assert.deepEqual(await exited, [null, "SIGKILL"]);

        await withLedgerAt({ path }, async (ledger) => {
          const messages = await Promise.all(acknowledged.map((id) => ledger.message(id)));
          assert.ok(messages.every((message) => message?.status === "queued"));
          const { chats } = await ledger.chats({ limit: 1000 });
          const open = chats.reduce((sum, chat) => sum + chat.open, 0);
          // What was on its way when the process died may be there, too: at most one message per caller.
          assert.ok(open >= known + acknowledged.length && open <= known + acknowledged.length + 16);
          known = open;
        });
      }
    }));
});
