/** The gate before a process's tools: looks up what a call reaches for, and has it judged. */

import { realpath } from "node:fs/promises";
import { asideFolders, type Sandbox, type Space, type ToolRequest } from "../claude/index.ts";
import { judge, type Limits, type OwnGround, type Rules, type Verdict } from "../contacts/gate.ts";
import type { Policy } from "../contacts/tiers.ts";
import { reachOf } from "./reach.ts";

/** What commands may touch under all of a policy's rules; null: there is no bound. */
export function sandboxOf({ sandbox, rules }: Policy, home: string): Sandbox | null {
  if (!sandbox) return null;
  const both = (some: readonly string[], others: readonly string[]) =>
    some.includes("*") ? others : some.filter((each) => others.includes(each) || others.includes("*"));
  const inAll = (of: (rules: Rules) => readonly string[]) => rules.map(of).reduce(both);
  return {
    home,
    readFolders: inAll(({ readFolders, writeFolders }) => [...readFolders, ...writeFolders]),
    writeFolders: inAll(({ writeFolders }) => writeFolders),
    hosts: inAll(({ hosts }) => hosts),
  };
}

export class Gate {
  readonly #limits: Limits;
  readonly #space: Space;
  readonly #home: string;

  /** `home` holds everything of Switchboard. */
  constructor(limits: Limits, space: Space, home: string) {
    this.#limits = limits;
    this.#space = space;
    this.#home = home;
  }

  /** Rejects when the session's own folders are gone. */
  async judge(call: ToolRequest): Promise<Verdict> {
    const [reach, ground] = await Promise.all([reachOf(call, this.#space.work), this.#ground()]);
    return judge({ name: call.name, reach }, this.#limits, ground);
  }

  async #ground(): Promise<OwnGround> {
    const aside = asideFolders(this.#space).then((folders) =>
      Promise.all(folders.map((path) => realpath(path))),
    );
    const [work, kept, home] = await Promise.all([realpath(this.#space.work), aside, realpath(this.#home)]);
    return { work, kept, home };
  }
}
