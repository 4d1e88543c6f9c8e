/**
 * A backup as a home again. All of it is written beside the home, looked at, and only then put in its place; nothing in the
 * archive is believed: where it wants to write, what it calls itself, that it is whole.
 */

import { createReadStream } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, rmdir, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { createTarDecoder, type ParsedTarEntry } from "modern-tar";
import { z } from "zod";
import { checkLedger, LedgerError } from "../ledger/index.ts";
import type { Progress } from "./backup.ts";
import { BackupError, belongs, ledgerName, manifestName, systemError } from "./contents.ts";

export interface RestoreOptions {
  file: string;
  /** Must not be there, or be an empty folder. */
  home: string;
  /** Called after each file. */
  onProgress?: (progress: Progress) => void;
}

const manifestSchema = z.object({ format: z.literal(1), version: z.string(), madeAt: z.string() });
/** Bytes that a manifest may have. */
const mostManifest = 10_000;

/** Throws a {@link BackupError} or the ledger's (`corrupt`, `newer_schema`); the home is then as it was. */
export async function restore({
  file,
  home,
  onProgress,
}: RestoreOptions): Promise<Progress & { madeAt: string }> {
  await access(file).catch((error) => {
    throw new BackupError("storage_failed", `${file} cannot be read: ${error.message}`, { cause: error });
  });
  await requireEmpty(home);
  const staging = `${home}.restoring`;
  // Of a restore that was cut off.
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true, mode: 0o700 });
  try {
    const unpacking = new Unpacking(staging, onProgress);
    for await (const entry of entriesIn(file)) await unpacking.take(entry);
    const madeAt = await unpacking.finish();
    checkLedger(join(staging, ledgerName));
    await rmdir(home).catch(() => {});
    await rename(staging, home);
    return { ...unpacking.progress, madeAt };
  } catch (error) {
    throw failureOf(error, file, home);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function requireEmpty(home: string): Promise<void> {
  const names = await readdir(home).catch((error) => {
    if (error.code === "ENOENT") return [];
    throw new BackupError("home_unusable", `${home} cannot be used: ${error.message}`, { cause: error });
  });
  if (names.length === 0) return;
  throw new BackupError("home_unusable", `${home} is not empty (it has ${names.slice(0, 3).join(", ")})`, {
    hint: "A backup becomes a home of its own: name another folder with --home, or move this one away.",
  });
}

function entriesIn(file: string): AsyncIterable<ParsedTarEntry> {
  const bytes = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array<ArrayBuffer>>;
  return bytes.pipeThrough(new DecompressionStream("gzip")).pipeThrough(createTarDecoder({ strict: true }));
}

class Unpacking {
  readonly #root: string;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  /** Made when everything else is there, so that nothing is ever written through one. */
  readonly #links: Array<{ path: string; target: string }> = [];
  /** What is there: folders may come again, files not. */
  readonly #files = new Set<string>();
  #madeAt: string | null = null;
  readonly progress: Progress = { files: 0, bytes: 0 };

  constructor(root: string, onProgress: ((progress: Progress) => void) | undefined) {
    this.#root = root;
    this.#onProgress = onProgress;
  }

  async take({ header, body }: ParsedTarEntry): Promise<void> {
    const { name, type = "file", size, mode, linkname = "" } = header;
    if (this.#madeAt === null) {
      this.#madeAt = await manifestIn(name, size, body);
      return;
    }
    const inside = name.replace(/\/$/, "");
    const path = join(this.#root, inside);
    if (!isInside(inside) || !(belongs(inside) || inside === ledgerName))
      throw invalid(`it holds ${JSON.stringify(name)}, which has no place in a home`);
    const places = inside.split("/").map((_, at, names) => names.slice(0, at + 1).join("/"));
    if (places.some((place) => this.#files.has(place)))
      throw invalid(`it holds ${JSON.stringify(name)} twice`);
    if (type !== "directory") this.#files.add(inside);
    switch (type) {
      case "directory":
        await body.cancel();
        // The owner must be able to write into it now.
        await mkdir(path, { recursive: true, mode: 0o700 });
        break;
      case "symlink":
        await body.cancel();
        this.#links.push({ path, target: linkname });
        break;
      case "file":
        await writeFile(path, body, (mode ?? 0o600) & 0o777);
        break;
      default:
        throw invalid(`${JSON.stringify(name)} is a ${type}`);
    }
    this.progress.files += 1;
    this.progress.bytes += size;
    this.#onProgress?.(this.progress);
  }

  /** When it was made. */
  async finish(): Promise<string> {
    if (this.#madeAt === null) throw invalid("it is empty");
    for (const { path, target } of this.#links) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await symlink(target, path);
    }
    return this.#madeAt;
  }
}

async function writeFile(path: string, body: ReadableStream<Uint8Array>, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, "wx", mode);
  try {
    for await (const chunk of body) await handle.writeFile(chunk);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function manifestIn(name: string, size: number, body: ReadableStream<Uint8Array>): Promise<string> {
  if (name !== manifestName || size > mostManifest) throw invalid("it does not begin as a backup does");
  const result = manifestSchema.safeParse(fromJson(await new Response(body).text()));
  if (result.success) return result.data.madeAt;
  throw invalid("it was made in another format, maybe by a newer Switchboard");
}

function isInside(path: string): boolean {
  return (
    path !== "" && posix.normalize(path) === path && !/^\/|^\.\.(?:\/|$)|[\0\\]/.test(path) && path !== "."
  );
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(why: string): BackupError {
  return new BackupError("invalid_backup", why);
}

function failureOf(error: unknown, file: string, home: string): unknown {
  const known = error instanceof LedgerError ? error : systemError(error, home);
  if (known instanceof LedgerError || (known instanceof BackupError && known.code !== "invalid_backup"))
    return known;
  // What the decompression and the archive's reader say of damage is theirs to word.
  const why = (error instanceof Error && error.message) || "it is damaged, or not whole";
  return new BackupError("invalid_backup", `${file} is no backup that can be restored: ${why}`, {
    cause: error,
  });
}
