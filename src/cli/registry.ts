/** `export` and `import`: the registry in its plain form, out of the daemon and into it. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { open, readFile, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import type { ImportView } from "../views.ts";
import type { Client } from "./client.ts";
import { CliError } from "./exit.ts";
import { whileWaiting } from "./patience.ts";
import { printJson, printLine } from "./print.ts";

/** Chats that are named one by one; the rest are counted. */
const namedAtMost = 10;

/** To stdout without a file. */
export async function exportRegistry(
  client: Client,
  file: string | undefined,
  { json }: { json?: true },
): Promise<void> {
  const response = await client.body("/v1/registry");
  if (file === undefined) return await write(response, process.stdout);
  const path = resolve(file);
  try {
    const there = await stat(path).catch(() => null);
    const isFile = there === null || there.isFile();
    const written = isFile ? replace(response, await placeOf(path)) : writeFile(response, path, "w");
    await whileWaiting("export", written);
  } catch (error) {
    throw error instanceof CliError ? error : new CliError("failed", `${path}: ${reasonOf(error)}`);
  }
  if (json === true) printJson({ did: "exported", file: path });
  else printLine(`exported to ${path}`);
}

/** Where a file is or will be: a link stays one, and what it leads to is written. */
async function placeOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    const link = await readlink(path).catch(() => null);
    return link === null ? path : await placeOf(resolve(dirname(path), link));
  }
}

/** Written beside its place first: an earlier export outlives one that breaks off, by a signal too. */
async function replace(response: Response, path: string): Promise<void> {
  const beside = `${path}.${randomUUID()}`;
  const giveUp = (signal: NodeJS.Signals) => {
    rmSync(beside, { force: true });
    // Nobody listens any more: it ends the process as it would have.
    process.kill(process.pid, signal);
  };
  for (const signal of endings) process.once(signal, giveUp);
  try {
    await writeFile(response, beside, "wx");
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  } finally {
    for (const signal of endings) process.off(signal, giveUp);
  }
}

const endings = ["SIGINT", "SIGTERM"] as const;

async function writeFile(response: Response, path: string, flags: "w" | "wx"): Promise<void> {
  const stream = (await open(path, flags, 0o600)).createWriteStream();
  await write(response, stream);
  stream.end();
  await finished(stream);
}

async function write(response: Response, target: NodeJS.WritableStream): Promise<void> {
  try {
    for await (const chunk of response.body ?? []) if (!target.write(chunk)) await once(target, "drain");
  } catch (error) {
    throw new CliError("failed", `the export broke off: ${reasonOf(error)}`, {
      hint: "The daemon's log says why.",
    });
  }
}

export interface ImportOptions {
  json?: true;
  mapTier?: string[];
  /** False: conversations stay where they are. */
  transcripts?: string | false;
}

export async function importRegistry(client: Client, file: string, options: ImportOptions): Promise<void> {
  const text = file === "-" ? Buffer.from(await buffer(process.stdin)) : await read(file);
  const query = new URLSearchParams();
  for (const pair of options.mapTier ?? []) query.append("mapTier", pair);
  const transcripts = options.transcripts ?? (client.isLocal ? usualFolder() : false);
  if (transcripts) query.set("transcripts", resolve(transcripts));
  const imported = await whileWaiting("import", client.send<ImportView>(`/v1/registry?${query}`, text));
  if (options.json === true) return printJson(imported);
  printLine(`${imported.new} chats new, ${imported.changed} changed, ${imported.unchanged} as they were`);
  printLine(`${imported.conversations} conversations came with them`);
  printNames("kept the conversation that they have here", imported.kept);
  printNames("begin anew, for no transcript of their session was found", imported.unproven);
  printNames(
    "have another session name",
    imported.renamed.map(({ chatId, from, to }) => `${chatId} (${from} → ${to})`),
  );
}

async function read(file: string): Promise<Buffer<ArrayBuffer>> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError("invalid_request", `${file} cannot be read: ${reasonOf(error)}`);
  }
}

/** Where the hosts that people come from keep their conversations, if it is there; a daemon elsewhere cannot see it. */
function usualFolder(): string | undefined {
  const folder = process.env.CLAUDE_CONFIG_DIR || join(homedir(), ".claude");
  return existsSync(join(folder, "projects")) ? folder : undefined;
}

function printNames(what: string, names: string[]): void {
  if (names.length === 0) return;
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : "";
  printLine(`${names.length} ${what}: ${names.slice(0, namedAtMost).join(", ")}${more}`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
