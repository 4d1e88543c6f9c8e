/**
 * A disk of its own for the home, small enough to be filled. Needs root on Linux; elsewhere there is none. Somebody may
 * unmount it at any time, and what is there then is the machine's own disk: that must never be filled.
 */

import { spawnSync } from "node:child_process";
import {
  closeSync,
  cpSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Bytes. Many times what a round writes. */
const size = 512 * 1024 * 1024;
const chunk = Buffer.alloc(1024 * 1024);

export class SmallDisk {
  readonly #folder: string;
  /** The disk's number. */
  readonly #device: number;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#device = statSync(folder).dev;
  }

  /** Makes the folder and mounts the disk there; a string tells why that is not possible. */
  static mount(folder: string): SmallDisk | string {
    mkdirSync(folder, { mode: 0o700 });
    if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
    const options = `size=${size},mode=0700`;
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
    return status === 0 ? new SmallDisk(folder) : `mount: ${String(stderr ?? "not found").trim()}`;
  }

  /** Leaves no byte free. Throws when the disk is not there any more. */
  fill(): void {
    const file = openSync(this.#ballast, "w");
    try {
      if (fstatSync(file).dev !== this.#device) throw new Error(`${this.#folder} is not mounted any more`);
      // It cannot hold more than its size.
      for (let part = chunk, left = size; part.length > 0 && left > 0; ) {
        try {
          left -= writeSync(file, part);
        } catch {
          part = part.subarray(0, part.length >> 1);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Unmounts it; its files stay where they were, as a copy. */
  unmount(): void {
    this.free();
    const copy = `${this.#folder}.copy`;
    // Sockets cannot be copied; whoever counts them has done so before.
    cpSync(this.#folder, copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !statSync(path, { throwIfNoEntry: false })?.isSocket(),
    });
    spawnSync("umount", ["--lazy", this.#folder]);
    rmSync(this.#folder, { recursive: true, force: true });
    renameSync(copy, this.#folder);
  }

  get #ballast(): string {
    return join(this.#folder, "ballast");
  }
}
