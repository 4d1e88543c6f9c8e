import { randomUUID } from "node:crypto";
import { mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Logger } from "../log.ts";

/**
 * `chats/<session name>` shows people the work folder of the chat's current session. Code never uses it, so a
 * failure is only logged. The link is replaced in one step: somebody may be looking.
 */
export async function linkSpace(links: string, name: string, work: string, log: Logger): Promise<void> {
  const link = join(links, name);
  const target = relative(links, work);
  try {
    if ((await readlink(link).catch(() => null)) === target) return;
    await mkdir(dirname(link), { recursive: true, mode: 0o700 });
    const fresh = `${link}.${randomUUID()}`;
    await symlink(target, fresh);
    await rename(fresh, link).catch(async (error) => {
      await rm(fresh);
      throw error;
    });
  } catch (error) {
    log.warn({ link, error: String(error) }, "the link for people could not be made");
  }
}
