/**
 * `node chaos/audit/main.ts FOLDER [--json]`: looks through what a round left and prints what it finds wrong. Exit code 1
 * when there is something, 2 when the folder cannot be read. Shares no code with the daemon.
 */

import { parseArgs } from "node:util";
import { audit, checks } from "./checks.ts";
import { loadCase } from "./load.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const [folder] = positionals;
if (folder === undefined) {
  console.error("usage: node chaos/audit/main.ts FOLDER [--json]");
  process.exit(2);
}
try {
  const evidence = await loadCase(folder);
  const violations = audit(evidence);
  if (values.json) {
    console.log(JSON.stringify(violations));
  } else {
    const { messages, requests, replies } = evidence;
    for (const { check, chatId, messageId, what, where } of violations) {
      const whose = [chatId, messageId].filter((part) => part !== null).join(" ");
      console.log(`${check}: ${whose === "" ? "" : `${whose}: `}${what} (see ${where})`);
    }
    const seen = `${messages.length} messages, ${requests.length} requests, ${replies.length} replies`;
    console.log(`${seen}: ${violations.length} violations of ${Object.keys(checks).length} checks`);
  }
  process.exitCode = violations.length > 0 ? 1 : 0;
} catch (error) {
  console.error(
    `the evidence in ${folder} cannot be read: ${error instanceof Error ? error.message : error}`,
  );
  process.exitCode = 2;
}
