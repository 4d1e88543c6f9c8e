/** `export` and `import`: the registry in its plain form, out of the daemon and into it. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, existsSync } from "node:fs";
import { readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import type { ImportView } from "../views.ts";
import type { Client } from "./client.ts";
import { CliError } from "./exit.ts";
import { printJson, printLine } from "./print.ts";

/** Chats that are named one by one; the rest are counted. */
const namedAtMost = 10;

/** To stdout without a file. A file is written beside its place first: an earlier export outlives one that breaks off. */
export async function exportRegistry(
  client: Client,
  file: string | undefined,
  { json }: { json?: true },
): Promise<void> {
  const response = await client.body("/v1/registry");
  if (file === undefined) return await write(response, process.stdout);
  const path = resolve(file);
  const beside = `${path}.${randomUUID()}`;
  try {
    const stream = createWriteStream(beside, { mode: 0o600, flags: "wx" });
    await write(response, stream);
    stream.end();
    await finished(stream);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error instanceof CliError ? error : new CliError("failed", `${path}: ${reasonOf(error)}`);
  }
  if (json === true) printJson({ did: "exported", file: path });
  else printLine(`exported to ${path}`);
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
  const transcripts = options.transcripts ?? usualFolder();
  if (transcripts) query.set("transcripts", resolve(transcripts));
  const imported = await client.send<ImportView>(`/v1/registry?${query}`, text);
  if (options.json === true) return printJson(imported);
  printLine(`${imported.new} chats new, ${imported.changed} changed, ${imported.unchanged} as they were`);
  printLine(`${imported.conversations} conversations came with them`);
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

/** Where the hosts that people come from keep their conversations, if it is there. */
function usualFolder(): string | undefined {
  const folder = process.env.CLAUDE_CONFIG_DIR || join(homedir(), ".claude");
  return existsSync(join(folder, "projects")) ? folder : undefined;
}

function printNames(what: string, names: string[]): void {
  if (names.length === 0) return;
  const more = names.length > namedAtMost ? `, and ${names.length - namedAtMost} more` : "";
  printLine(`${names.length} ${what}: ${names.slice(0, namedAtMost).join(", ")}${more}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
