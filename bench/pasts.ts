/**
 * Chats that have had a conversation, without a start for each: one is held by the bare Agent SDK, and all chats get a copy
 * of it under a session id of their own. Switchboard takes them over by an import, as from any other host; the bare side
 * copies them by the same function. So on both sides every start resumes a conversation, and the same one.
 */

import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adoptTranscript, openSpace, spaceOf, transcriptsIn } from "../src/claude/index.ts";
import { defaultConfig } from "../src/config.ts";
import { type Policy, tiersOf } from "../src/contacts/tiers.ts";
import { open, type Switchboard } from "../src/index.ts";
import { BareProcess, bareOptions } from "./bare.ts";
import { chatIdOf } from "./homes.ts";
import type { Model } from "./model.ts";
import { orAbort, type Run } from "./run.ts";
import { sampleText } from "./sample.ts";
import { tier } from "./sides.ts";

/** `configFolder`: a host's `~/.claude`, with a transcript for each of these sessions. */
export interface Pasts {
  configFolder: string;
  /** By the number of the chat. */
  sessionIds: readonly string[];
}

/** `folder` must not be there yet. */
export async function makePasts(folder: string, chats: number, model: Model, run: Run): Promise<Pasts> {
  const id = randomUUID();
  const file = await conversation(join(folder, "spaces"), id, model, run.signal);
  const text = await readFile(file, "utf8");
  const configFolder = join(folder, "claude");
  const project = join(configFolder, "projects", "copies");
  await mkdir(project, { recursive: true });
  const sessionIds = Array.from({ length: chats }, () => randomUUID());
  for (const copy of sessionIds) {
    run.signal.throwIfAborted();
    await writeFile(join(project, `${copy}.jsonl`), text.replaceAll(id, copy));
  }
  return { configFolder, sessionIds };
}

/** One turn of a bare session; the path of its transcript. */
async function conversation(spaces: string, id: string, model: Model, signal: AbortSignal): Promise<string> {
  const session = { mode: "create" as const, sdkSessionId: id };
  const process = new BareProcess(await bareOptions(spaces, shippedPolicy(), model.url, session));
  try {
    await orAbort(process.ask(sampleText), signal);
  } finally {
    await process.end();
  }
  const transcripts = await transcriptsIn(spaceOf(spaces, id).claude);
  const file = transcripts.get(id);
  if (file === undefined) throw new Error("the bare SDK left no transcript");
  return file;
}

/**
 * A home of Switchboard with these chats, and room for so many processes; what is returned opens it. The chats' ids are
 * `chatIdOf` their numbers, and none is resumed before it writes.
 */
export async function makeHomeOf(
  { configFolder, sessionIds }: Pasts,
  home: string,
  processes: number,
  model: Model,
): Promise<() => Promise<Switchboard>> {
  const config = defaultConfig();
  config.processes.max = processes;
  config.processes.resume_recent = 0;
  // No chat here is new.
  config.processes.spares = 0;
  const openHome = () => open({ home, config, upstream: { baseUrl: model.url } });
  const entries = sessionIds.map((session_id, chat) => {
    return [chatIdOf(chat), { session_name: `chat-${chat}`, tier, session_id }];
  });
  const registry = JSON.stringify(Object.fromEntries(entries));
  const switchboard = await openHome();
  try {
    const { conversations } = await switchboard.importRegistry(registry, { transcripts: configFolder });
    if (conversations !== sessionIds.length) throw new Error(`only ${conversations} chats have got a past`);
  } finally {
    await switchboard.close();
  }
  return openHome;
}

/** The same chats as a host has them that has no Switchboard. */
export class BareChats {
  readonly #spaces: string;
  readonly #sessionIds: readonly string[];
  readonly #modelUrl: string;
  readonly #policy = shippedPolicy();

  /** Copies the conversations: what is said here, nobody else will know of. */
  static async open(spaces: string, pasts: Pasts, model: Model, signal: AbortSignal): Promise<BareChats> {
    const transcripts = await transcriptsIn(pasts.configFolder);
    for (const [id, file] of transcripts) {
      signal.throwIfAborted();
      await adoptTranscript(file, await openSpace(spaces, id));
    }
    return new BareChats(spaces, pasts, model);
  }

  private constructor(spaces: string, { sessionIds }: Pasts, { url }: Model) {
    this.#spaces = spaces;
    this.#sessionIds = sessionIds;
    this.#modelUrl = url;
  }

  /** One that resumes the chat's conversation with its first message. The chat's last one must be gone. */
  async process(chat: number): Promise<BareProcess> {
    const sdkSessionId = this.#sessionIds[chat];
    if (sdkSessionId === undefined) throw new Error(`there is no chat ${chat}`);
    const session = { mode: "resume" as const, sdkSessionId };
    return new BareProcess(await bareOptions(this.#spaces, this.#policy, this.#modelUrl, session));
  }
}

export function shippedPolicy(): Policy {
  const policy = tiersOf(defaultConfig()).get(tier);
  if (policy === undefined) throw new Error(`no tier ${tier} is shipped`);
  return policy;
}
