/** `complete`: what a shell asks at each Tab. It answers in a moment, or that there is nothing; it never complains. */

import { Command } from "commander";
import type { ApprovalView, ChatView } from "../../views.ts";
import type { Client } from "../client.ts";
import { connect, globalOptions } from "../connect.ts";
import type { DeliveryList } from "../replies.ts";
import { replacement, split } from "./bash-words.ts";
import type { Shell } from "./scripts.ts";
import { type Candidate, type Wanted, wanted } from "./wanted.ts";

/** ms that the daemon has: at a Tab somebody waits. One that does not run is known at once. */
const patienceMs = 3000;
/** No more come in one answer of the API: of chats the most recently active ones, of replies the oldest. */
const most = 1000;

/**
 * `words`: from zsh and fish the words up to the cursor, without the program's name; from bash the line up to the
 * cursor and the part of it that is to be replaced. The answer's lines are described in `scripts.ts`.
 */
export async function complete(root: Command, shell: Shell, words: readonly string[]): Promise<string[]> {
  if (shell !== "bash") {
    const want = wanted(root, words.slice(0, -1), words.at(-1) ?? "");
    return answer(want, await candidates(words, want), ({ value, about }) =>
      about === "" ? value : `${value}\t${about}`,
    );
  }
  const [line = "", part = ""] = words;
  const [, ...typed] = split(line);
  const texts = typed.map(({ text }) => text);
  const word = typed.at(-1);
  if (word === undefined) return [];
  const want = wanted(root, texts.slice(0, -1), word.text);
  return answer(want, await candidates(texts, want), ({ value }) => replacement(word, part, value));
}

function answer(
  want: Wanted,
  found: Candidate[],
  written: (candidate: Candidate) => string | null,
): string[] {
  if (want.kind === "files" || want.kind === "folders") return [want.kind];
  return ["words", ...found.map(written).filter((line) => line !== null)];
}

async function candidates(words: readonly string[], want: Wanted): Promise<Candidate[]> {
  switch (want.kind) {
    case "words":
      return want.words;
    case "chats":
      return (await chats(words).catch(() => [])).filter(
        ({ value }) => want.mayBeginWithDash || !value.startsWith("-"),
      );
    case "replies":
      return await replies(words).catch(() => []);
    case "questions":
      return await questions(words).catch(() => []);
    case "files":
    case "folders":
    case "nothing":
      return [];
  }
}

/** The daemon that the line names. Throws where it does so badly. */
function clientFor(words: readonly string[]): Client {
  const named = new Command()
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .exitOverride()
    .configureOutput({ outputError() {} });
  for (const option of globalOptions()) named.addOption(option);
  named.parse(words, { from: "user" });
  return connect(named);
}

async function chats(words: readonly string[]): Promise<Candidate[]> {
  const { chats } = await asked<{ chats: ChatView[] }>(words, `/v1/chats?limit=${most}`);
  return chats.map(({ chatId, contact }) => ({ value: chatId, about: contact.name ?? "" }));
}

/** Those that can be sent again. */
async function replies(words: readonly string[]): Promise<Candidate[]> {
  const { deliveries } = await asked<DeliveryList>(words, `/v1/replies/failed?limit=${most}`);
  return deliveries.map(({ id, chatId, status }) => ({ value: id, about: `${status}, to ${chatId}` }));
}

/** Those that wait for a person's answer. */
async function questions(words: readonly string[]): Promise<Candidate[]> {
  const { approvals } = await asked<{ approvals: ApprovalView[] }>(words, `/v1/approvals?limit=${most}`);
  return approvals.map(({ id, chatId, tool }) => ({ value: id, about: `${tool}, for ${chatId}` }));
}

async function asked<T>(words: readonly string[], path: string): Promise<T> {
  return await clientFor(words).get<T>(path, AbortSignal.timeout(patienceMs));
}
