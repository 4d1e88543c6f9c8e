/** What a forgotten chat has on disk. Its rows are gone before that, and name its spaces until these are gone, too. */

import { readlink, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { removeSpace, spaceOf } from "../claude/index.ts";
import type { ForgottenSpace, Ledger } from "../ledger/index.ts";
import type { Folders } from "./ground.ts";

/** Removes what is left of forgotten chats: now, or of those that a daemon before this one did not come to. */
export async function clearForgotten(
  ledger: Pick<Ledger, "forgottenSpaces" | "spaceGone">,
  folders: Folders,
): Promise<void> {
  for (const space of await ledger.forgottenSpaces()) {
    await removeAll(space, folders);
    await ledger.spaceGone(space.sessionId);
  }
}

async function removeAll({ sessionId, sessionName }: ForgottenSpace, folders: Folders): Promise<void> {
  const { spaces, links, transcripts, running } = folders;
  const link = join(links, sessionName);
  // The name may be another chat's by now.
  const isOurs =
    (await readlink(link).catch(() => null)) === relative(links, spaceOf(spaces, sessionId).work);
  if (isOurs) await rm(link, { force: true });
  await rm(join(transcripts, sessionId), { recursive: true, force: true, maxRetries: 3 });
  await removeSpace(spaces, sessionId);
  await rm(join(running, sessionId), { force: true });
}
