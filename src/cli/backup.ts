/** `backup` and `restore`: a home as one file, and back. They need no daemon, and leave one that runs alone. */

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { backUp, type Progress, restore } from "../backup/index.ts";
import { version } from "../version.ts";
import { CliError } from "./exit.ts";
import { printJson, printLine } from "./print.ts";

export interface BackupOptions {
  home: string;
  json?: true;
}

/** ms between two lines of progress, on a terminal. */
const tellEveryMs = 1000;

export async function backup(name: string, { home, json }: BackupOptions): Promise<void> {
  const file = resolve(name);
  const made = await told(backUp({ home, file, version, onProgress: progress("saved") }));
  const { size } = statSync(file);
  if (json === true) printJson({ file, size, ...made });
  else printLine(`${file}: ${made.files} files, ${megabytes(made.bytes)} in ${megabytes(size)}`);
}

export async function restoreHome(name: string, { home, json }: BackupOptions): Promise<void> {
  const made = await told(
    restore({ file: resolve(name), home: resolve(home), onProgress: progress("restored") }),
  );
  if (json === true) printJson({ home, ...made });
  else
    printLine(
      `${home} is as it was on ${made.madeAt}: ${made.files} files, ${megabytes(made.bytes)}. It gets a new API token at its start.`,
    );
}

/** Errors of the ledger and the backup as the command line tells them. */
async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") throw error;
    const hint = "hint" in error && typeof error.hint === "string" ? error.hint : undefined;
    throw new CliError(error.code, error.message, { hint });
  }
}

function progress(done: string): (progress: Progress) => void {
  let last = performance.now();
  return ({ files, bytes }) => {
    if (!process.stderr.isTTY || performance.now() - last < tellEveryMs) return;
    last = performance.now();
    process.stderr.write(`${done} ${files} files, ${megabytes(bytes)}\n`);
  };
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
