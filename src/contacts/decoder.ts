/** The thread of `pictures.ts`: answers each picture with null, or with what is wrong with it. */

import { parentPort } from "node:worker_threads";
import * as photon from "@silvia-odwyer/photon-node";
import { imageSize } from "image-size";

/** WebAssembly's, whose types are the browsers'. */
interface Memory {
  readonly buffer: ArrayBuffer;
  /** By so many pages. */
  grow(pages: number): number;
}

/** MiB that it may grow by; the largest allowed, of 16 bits a channel, takes 551. */
const mostMemory = 640;

const pageBytes = 65_536;
/** That WebAssembly can address. */
const mostPages = 65_536;

boundMemory();

parentPort?.on("message", (picture: Uint8Array) => {
  parentPort?.postMessage(problemOf(picture));
});

/**
 * WebAssembly's memory can be bounded only by whoever compiles it. So what it may not have is taken beforehand: it is never
 * touched, which costs addresses and no memory.
 */
function boundMemory(): void {
  const { memory } = (photon as unknown as { __wasm: { memory: Memory } }).__wasm;
  const taken = memory.buffer.byteLength / pageBytes;
  try {
    memory.grow(mostPages - taken - mostMemory * (1024 ** 2 / pageBytes));
  } catch {
    // The system does not give as much, not even to a picture.
  }
}

function problemOf(picture: Uint8Array): string | null {
  try {
    const image = photon.PhotonImage.new_from_byteslice(picture);
    const [width, height] = [image.get_width(), image.get_height()];
    image.free();
    const header = imageSize(picture);
    if (width === header.width && height === header.height) return null;
    return `it is of ${width} x ${height} pixels, and its header says ${header.width} x ${header.height}`;
  } catch {
    // A trap of the WebAssembly, which says nothing else.
    return "its data is damaged, or not what its beginning says";
  }
}
