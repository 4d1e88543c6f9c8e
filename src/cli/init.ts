/** `init`: a `switchboard.toml` in which everything stands with its default and what it means. Needs no daemon. */

import { makeFolder } from "../daemon/home.ts";
import { configFile, writeTemplate } from "../setup/config-file.ts";
import { CliError } from "./exit.ts";
import { printJson, printLine } from "./print.ts";

export function init({ home, json }: { home: string; json?: true }): void {
  const file = configFile(home);
  try {
    makeFolder(home);
    if (!writeTemplate(home))
      throw new CliError("conflict", `${file} is there already, and is left as it is`, {
        hint: "See what it says with `switchboard config check`.",
      });
  } catch (error) {
    if (error instanceof CliError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("home_unusable", `${file} cannot be written: ${reason}`, {
      hint: "Name another home with --home or SWITCHBOARD_HOME.",
    });
  }
  if (json === true) printJson({ did: "written", file });
  else printLine(`written: ${file}; nothing in it changes anything yet`);
}
