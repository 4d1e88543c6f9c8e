/**
 * The spaces that an import makes for conversations from another host. Each is noted in a file before it is made, so that
 * those of an import which a crash cut are found at the next start: what is no chat's by then is removed.
 */

import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Ledger } from "../ledger/index.ts";

export interface ImportPlaces {
  ledger: Ledger;
  spaces: string;
  /** Where each import notes the spaces that it makes, so that those which a crash leaves behind are found. */
  imports: string;
}

/** Removes what imports left behind that a crash cut. Before any session is opened. */
export async function sweepImports(places: ImportPlaces): Promise<void> {
  for (const name of await readdir(places.imports).catch(() => [])) {
    const made = new ImportSpaces(places, join(places.imports, name));
    await made.read();
    await made.close(await made.owned());
  }
}

export class ImportSpaces {
  readonly #places: ImportPlaces;
  readonly #file: string;
  readonly #spaces: Array<{ id: string; chatId: string }> = [];

  static async begin(places: ImportPlaces): Promise<ImportSpaces> {
    await mkdir(places.imports, { recursive: true, mode: 0o700 });
    return new ImportSpaces(places, join(places.imports, randomUUID()));
  }

  constructor(places: ImportPlaces, file: string) {
    this.#places = places;
    this.#file = file;
  }

  async add(chatId: string): Promise<string> {
    const id = randomUUID();
    await appendFile(this.#file, `${JSON.stringify({ id, chatId })}\n`, { mode: 0o600 });
    this.#spaces.push({ id, chatId });
    return id;
  }

  async read(): Promise<void> {
    for (const line of (await readFile(this.#file, "utf8")).split("\n")) {
      // A line that a crash cut has no space yet.
      const noted = /^\{.*\}$/.test(line) ? JSON.parse(line) : null;
      if (noted !== null && isUuid(noted.id)) this.#spaces.push(noted);
    }
  }

  /** Those that are a chat's now. */
  async owned(): Promise<string[]> {
    const owned: string[] = [];
    for (const { id, chatId } of this.#spaces) {
      const chat = await this.#places.ledger.chat(chatId);
      if (chat?.session?.id === id) owned.push(id);
    }
    return owned;
  }

  /** Removes those that are not to be kept. */
  async close(keep: readonly string[]): Promise<void> {
    const kept = new Set(keep);
    for (const { id } of this.#spaces) {
      if (!kept.has(id)) await rm(join(this.#places.spaces, id), { recursive: true, force: true });
    }
    await rm(this.#file, { force: true });
  }
}

/** As Claude Code names its sessions; anything else names no transcript. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}
