/**
 * Loaded into the daemon before everything else, and into its threads, each of which has a heap of its own: tells what they
 * hold when whoever started the daemon asks for it. Needs `--expose-gc` and an IPC channel.
 */

import { readFileSync } from "node:fs";
import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { type Heap, heap } from "../heap.ts";

/** What the daemon answers to any message of its parent. */
export interface Probed {
  main: Heap;
  /** Of all other threads, added up. */
  threads: Heap;
  /** Bytes, of the whole process: pages of files, most of them Node itself, and all others. */
  resident: { files: number; others: number };
  /** ms since the start, user and system, all threads. */
  cpuMs: number;
  /** What keeps the main thread's event loop alive, by kind. */
  handles: Record<string, number>;
}

type Told = "here" | "look" | Heap;

const nothing: Heap = { objects: 0, code: 0, external: 0, arrayBuffers: 0, physical: 0 };

const threads = new BroadcastChannel("soak");
threads.unref();
const listen = (listener: (told: Told) => void) => {
  threads.onmessage = ({ data }: { data: Told }) => listener(data);
};

if (isMainThread) serveParent();
else {
  listen((told) => {
    if (told === "look") void heap().then((found) => threads.postMessage(found));
  });
  threads.postMessage("here");
}

function serveParent(): void {
  let count = 0;
  let found: Heap[] = [];
  let all = Promise.withResolvers<void>();
  listen((told) => {
    if (told === "here") count += 1;
    else if (told !== "look") found.push(told);
    if (found.length === count) all.resolve();
  });
  const lookAtThreads = async () => {
    found = [];
    all = Promise.withResolvers();
    threads.postMessage("look");
    if (count > 0) await all.promise;
    return found.reduce(sum, nothing);
  };

  process.on("message", async () => process.send?.(await probe(lookAtThreads)));
  // A parent that was killed takes its daemon with it.
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
}

async function probe(lookAtThreads: () => Promise<Heap>): Promise<Probed> {
  const { user, system } = process.cpuUsage();
  const main = await heap();
  const kinds = Map.groupBy(process.getActiveResourcesInfo(), (kind) => kind);
  return {
    main,
    threads: await lookAtThreads(),
    resident: { files: kibibytesOf("RssFile") * 1024, others: kibibytesOf("RssAnon") * 1024 },
    cpuMs: (user + system) / 1000,
    handles: Object.fromEntries([...kinds].map(([kind, all]) => [kind, all.length])),
  };
}

function kibibytesOf(key: "RssFile" | "RssAnon"): number {
  return Number(
    new RegExp(`^${key}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "latin1"))?.[1],
  );
}

function sum(a: Heap, b: Heap): Heap {
  return {
    objects: a.objects + b.objects,
    code: a.code + b.code,
    external: a.external + b.external,
    arrayBuffers: a.arrayBuffers + b.arrayBuffers,
    physical: a.physical + b.physical,
  };
}
