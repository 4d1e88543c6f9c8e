/**
 * A home as one file, taken while its daemon works: a compressed tar archive with the ledger, the sessions' folders and
 * the copies of their transcripts.
 *
 * The ledger is taken first, as it is at one moment; the files after it, so they know all that it knows, and maybe more.
 * That is how a crash leaves a home: the start after a restore recovers it as after any other.
 */

import { type BigIntStats, constants, createWriteStream, existsSync } from "node:fs";
import { lstat, open, readdir, readlink, rename, rm } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { createTarPacker, type TarHeader } from "modern-tar";
import { snapshotLedger } from "../ledger/index.ts";
import { BackupError, belongs, ledgerName, type Manifest, manifestName, systemError } from "./contents.ts";

export interface Progress {
  files: number;
  /** Of their content, before it is compressed. */
  bytes: number;
}

export interface BackupOptions {
  home: string;
  /** Must not be there. */
  file: string;
  /** Of the program. */
  version: string;
  /** Called after each file. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Resolves when the file is whole and on disk, mode 0600. Throws a {@link BackupError} or the ledger's; nothing is left
 * behind then.
 */
export async function backUp({ home, file, version, onProgress }: BackupOptions): Promise<Progress> {
  const ledger = join(home, ledgerName);
  if (!existsSync(ledger))
    throw new BackupError("home_unusable", `${home} is no home of Switchboard: it has no ${ledgerName}`);
  if (existsSync(file)) throw new BackupError("file_exists", `${file} is there already`);
  const [partial, snapshot] = [`${file}.partial`, `${file}.partial-db`];
  await Promise.all([partial, snapshot].map((each) => rm(each, { force: true })));
  try {
    // SQLite takes an empty file for none, and leaves its mode.
    await (await open(snapshot, "wx", 0o600)).close();
    snapshotLedger(ledger, snapshot);
    const packer = new Packer(onProgress);
    const written = pipeline(
      Readable.fromWeb(packer.readable),
      createGzip(),
      createWriteStream(partial, { flags: "wx", mode: 0o600, flush: true }),
    );
    const packed = packAll(packer, {
      home,
      snapshot,
      version,
      spared: [partial, snapshot].map((each) => resolve(each)),
    });
    await Promise.all([written, packed.catch((error) => packer.fail(error))]);
    await rename(partial, file);
    return packer.progress;
  } catch (error) {
    throw systemError(error, file);
  } finally {
    await Promise.all([partial, snapshot].map((each) => rm(each, { force: true })));
  }
}

interface Sources {
  home: string;
  snapshot: string;
  version: string;
  /** Files of our own, should they lie in the home. */
  spared: readonly string[];
}

async function packAll(packer: Packer, { home, snapshot, version, spared }: Sources): Promise<void> {
  const manifest: Manifest = { format: 1, version, madeAt: new Date().toISOString() };
  await packer.manifest(`${JSON.stringify(manifest, null, 2)}\n`);
  await packer.file(ledgerName, snapshot);
  const walk = async (folder: string): Promise<void> => {
    for (const name of (await readdir(folder).catch(goneMeanwhile([]))).sort()) {
      const path = join(folder, name);
      const inside = relative(home, path).split(sep).join("/");
      if (!belongs(inside) || spared.includes(resolve(path))) continue;
      const stats = await lstat(path, { bigint: true }).catch(goneMeanwhile(null));
      if (stats?.isDirectory()) {
        await packer.folder(inside, stats);
        await walk(path);
      } else if (stats?.isSymbolicLink()) await packer.link(inside, path);
      else if (stats?.isFile()) await packer.file(inside, path);
    }
  };
  await walk(home);
  packer.finish();
}

class Packer {
  readonly #tar = createTarPacker();
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  readonly progress: Progress = { files: 0, bytes: 0 };

  constructor(onProgress: ((progress: Progress) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  get readable(): Parameters<typeof Readable.fromWeb>[0] {
    return this.#tar.readable as Parameters<typeof Readable.fromWeb>[0];
  }

  /** About the archive itself: it counts as none of the home's files. */
  async manifest(text: string): Promise<void> {
    const body = Buffer.from(text);
    const header = { name: manifestName, size: body.length, mode: 0o600 };
    await this.#write(header, [body]);
  }

  async folder(name: string, { mode }: BigIntStats): Promise<void> {
    await this.#add({ name: `${name}/`, type: "directory", size: 0, mode: Number(mode) & 0o777 }, []);
  }

  async link(name: string, path: string): Promise<void> {
    const linkname = await readlink(path).catch(goneMeanwhile(null));
    if (linkname !== null) await this.#add({ name, type: "symlink", size: 0, linkname }, []);
  }

  /** As long as it is when it is opened, whatever is appended meanwhile; one that is gone by then is left out. */
  async file(name: string, path: string): Promise<void> {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(goneMeanwhile(null));
    if (handle === null) return;
    try {
      const { size, mode, mtime } = await handle.stat();
      await this.#add({ name, size, mode: mode & 0o777, mtime }, exactly(size, handle));
    } finally {
      await handle.close();
    }
  }

  finish(): void {
    this.#tar.controller.finalize();
  }

  /** What reads from it fails, too. */
  fail(error: unknown): void {
    this.#tar.controller.error(error);
  }

  async #write(header: TarHeader, body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    const writer = this.#tar.controller.add(header).getWriter();
    for await (const chunk of body) await writer.write(chunk);
    await writer.close();
  }

  async #add(header: TarHeader, body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    await this.#write(header, body);
    this.progress.files += 1;
    this.progress.bytes += header.size;
    this.#onProgress?.(this.progress);
  }
}

const biteBytes = 1 << 18;

/** The next `size` bytes; where the file has become shorter, zeros. */
async function* exactly(size: number, handle: Awaited<ReturnType<typeof open>>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const buffer = Buffer.alloc(Math.min(biteBytes, size - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    yield bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
    at += bytesRead === 0 ? buffer.length : bytesRead;
  }
}

/** A file that a process has removed since it was listed. */
function goneMeanwhile<T>(instead: T): (error: unknown) => T {
  return (error) => {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    // A link where a file was.
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR") return instead;
    throw error;
  };
}
