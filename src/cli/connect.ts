/**
 * Which daemon is meant, and with which token: what the arguments say; else what the daemon of the home has
 * written about itself; else the environment and the defaults.
 */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Client, type Endpoint } from "./client.ts";
import { CliError } from "./exit.ts";

export interface GlobalOptions {
  json?: true;
  home: string;
  url?: string;
  host: string;
  port: number;
  token?: string;
}

export function globalOptions(): Option[] {
  return [
    new Option("--json", "print JSON: one value, or one a line for what goes on"),
    new Option("--home <folder>", "the daemon's folder")
      .env("SWITCHBOARD_HOME")
      .default(join(homedir(), ".switchboard"), "~/.switchboard"),
    new Option("--url <address>", "the daemon's address (default: what the daemon wrote in its home)"),
    new Option("--host <host>", "the host that the daemon listens on").default("127.0.0.1"),
    new Option("--port <number>", "its port; 0 lets `start` take any free one")
      .env("SWITCHBOARD_PORT")
      .argParser(port)
      .default(usualPort),
    new Option("--token <token>", "the API token (default: the one in the home)").env("SWITCHBOARD_TOKEN"),
  ];
}

const usualPort = 7777;

function port(text: string): number {
  // A variable that is there and empty, as compose files make them.
  if (text === "") return usualPort;
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError("A port is 0 to 65535.");
  return value;
}

/** The folder as an absolute path. */
export function homeOf(command: Command): string {
  return resolve(command.optsWithGlobals<GlobalOptions>().home);
}

export function connect(command: Command): Client {
  const { url, host, port, token = inHome(command, "token") } = command.optsWithGlobals<GlobalOptions>();
  if (url !== undefined) return new Client({ url: address(url), token });
  const named = ["host", "port"].some((key) => command.getOptionValueSourceWithGlobals(key) === "cli");
  const written = named ? undefined : inHome(command, "url");
  if (written !== undefined) return new Client(ofHome(command, written, token));
  return new Client({ url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, token });
}

/** While the daemon is away its last address stays: at the default one another home's daemon may answer. */
function ofHome(command: Command, written: string, token: string | undefined): Endpoint {
  let last = written;
  return {
    get url() {
      last = inHome(command, "url") ?? last;
      return last;
    },
    token,
    isLocal: true,
  };
}

function address(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new CliError("invalid_request", `--url is no http address: ${url}`);
  }
  return parsed.href.replace(/\/+$/, "");
}

function inHome(command: Command, file: string): string | undefined {
  try {
    return readFileSync(join(homeOf(command), file), "utf8").trim();
  } catch {
    // Not there, or not ours to read: what is asked for next will say so.
    return undefined;
  }
}
