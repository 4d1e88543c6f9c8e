/** `config check`: each value that holds, and what says so. Needs no daemon. */

import type { Command } from "commander";
import { upstreamOf } from "../daemon/upstream.ts";
import { configFile, directIn, explainHome, withoutSecrets } from "../setup/config-file.ts";
import type { GlobalOptions } from "./connect.ts";
import { homeOf } from "./connect.ts";
import { CliError } from "./exit.ts";
import { dim, printable, printJson, printLine, printPainted } from "./print.ts";

type Upstream = ReturnType<typeof upstreamOf>;

interface Value {
  key: string;
  value: unknown;
  /** What holds where there is no value, or why it is not shown. */
  note: string | null;
  /** `default`, `switchboard.toml:LINE`, an environment variable, or an option. */
  from: string;
  /** A change of it holds from the next start on. */
  restart: boolean;
}

export function checkConfig(command: Command): void {
  const home = homeOf(command);
  try {
    const inFile = ofFile(home);
    const upstream = upstreamOf(process.env, directIn(home));
    const values = [...ofCommandLine(command, home), ...ofEnvironment(upstream), ...inFile];
    if (command.optsWithGlobals<GlobalOptions>().json === true) {
      printJson({ file: configFile(home), values });
      return;
    }
    for (const value of values) printValue(value);
    printLine("valid");
  } catch (error) {
    throw invalid(error);
  }
}

/** Exit code 1: nothing was to be started. */
function invalid(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return error;
  const field = "field" in error && typeof error.field === "string" ? error.field : undefined;
  const hint = "hint" in error && typeof error.hint === "string" ? error.hint : undefined;
  const { code, message } = error;
  return new CliError(code, message, {
    hint,
    exit: "failed",
    shown: {
      error: { code, message, ...(field !== undefined && { field }), ...(hint !== undefined && { hint }) },
    },
  });
}

function ofCommandLine(command: Command, home: string): Value[] {
  const { host, port } = command.optsWithGlobals<GlobalOptions>();
  const variables: Record<string, string> = { home: "SWITCHBOARD_HOME", port: "SWITCHBOARD_PORT" };
  return Object.entries({ home, host, port }).map(([key, value]) => {
    const source = command.getOptionValueSourceWithGlobals(key);
    const from = source === "cli" ? `--${key}` : source === "env" ? (variables[key] ?? "") : "default";
    return { key, value, note: null, from, restart: true };
  });
}

/** Of a credential only where it is. */
function ofEnvironment(upstream: Upstream): Value[] {
  const names = ["ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY_FILE", "ANTHROPIC_AUTH_TOKEN"];
  const given = names.filter((name) => process.env[name]);
  const restart = true;
  if (upstream === "offline")
    return [{ key: "model", value: "offline", note: null, from: "default", restart }];
  if ("environment" in upstream)
    return [{ key: "model", value: "direct", note: null, from: "api.direct", restart }];
  const url = withoutSecrets(upstream.baseUrl ?? "https://api.anthropic.com");
  const from = upstream.baseUrl === undefined ? "default" : "ANTHROPIC_BASE_URL";
  const credential = given.length === 0 ? "none" : "not shown";
  return [
    { key: "model", value: url, note: null, from, restart },
    { key: "credential", value: null, note: credential, from: given.join(", ") || "default", restart },
  ];
}

function ofFile(home: string): Value[] {
  return explainHome(home).map(({ line, ...value }) => ({
    ...value,
    from: line === null ? "default" : `switchboard.toml:${line}`,
  }));
}

function printValue({ key, value, note, from, restart }: Value): void {
  const shown = value === null ? `(${note ?? "nothing"})` : JSON.stringify(value);
  const source = `${from}${restart ? ", a change needs a restart" : ""}`;
  printPainted(`${printable(`${key} = ${shown}`)}  ${dim(printable(source))}`);
}
