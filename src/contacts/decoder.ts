/** The thread of `pictures.ts`: answers each picture with null, or with what is wrong with it. */

import { parentPort } from "node:worker_threads";
import { PhotonImage } from "@silvia-odwyer/photon-node";

parentPort?.on("message", (picture: Uint8Array) => {
  parentPort?.postMessage(problemOf(picture));
});

function problemOf(picture: Uint8Array): string | null {
  try {
    PhotonImage.new_from_byteslice(picture).free();
    return null;
  } catch {
    // A trap of the WebAssembly, which says nothing else.
    return "its data is damaged, or not what its beginning says";
  }
}
