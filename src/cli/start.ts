/** `start`: the daemon, in the foreground. The only command that is more than a client. */

import { runDaemon } from "../daemon/daemon.ts";
import { printJson, printLine } from "./print.ts";

export interface StartOptions {
  home: string;
  host: string;
  port: number;
  json?: true;
}

export async function start({ home, host, port, json }: StartOptions): Promise<void> {
  await runDaemon({
    home,
    host,
    port,
    env: process.env,
    onTerminal: process.stdin.isTTY,
    logsToTerminal: process.stderr.isTTY,
    started(daemon) {
      if (json === true) return printJson(daemon);
      printLine(`Switchboard answers at ${daemon.url}`);
      printLine(`The dashboard: ${daemon.dashboard}`);
      printLine(`The API token is in ${daemon.tokenFile}`);
      if (daemon.upstream.kind === "offline") {
        printLine(
          "No ANTHROPIC_API_KEY is set: answers come from the offline model, which only repeats and remembers.",
        );
      } else if (daemon.upstream.kind === "direct") {
        printLine("Claude answers, by the provider that api.direct in switchboard.toml names.");
      } else {
        printLine(`Claude answers, by ${daemon.upstream.baseUrl}`);
      }
    },
  });
}
