/** What may stand at a place of our command line: told by the commands as they are declared, and by nothing else. */

import type { Argument, Command, Option } from "commander";

export interface Candidate {
  value: string;
  /** One line; may be empty. */
  about: string;
}

/** Chats, failed replies and questions are the daemon's to say, files and folders the shell's. */
export type Wanted =
  | { kind: "words"; words: Candidate[] }
  /** `mayBeginWithDash`: behind `--`; elsewhere such a chat id would be taken for an option. */
  | { kind: "chats"; mayBeginWithDash: boolean }
  | { kind: "replies" }
  | { kind: "questions" }
  | { kind: "files" }
  | { kind: "folders" }
  | { kind: "nothing" };

const nothing: Wanted = { kind: "nothing" };

/** `before`: the words between the program's name and the one that is being completed, `current`. */
export function wanted(root: Command, before: readonly string[], current: string): Wanted {
  let command = root;
  let operands = 0;
  let pending: Option | undefined;
  let onlyOperands = false;
  for (const word of before) {
    if (pending !== undefined && (pending.required || !word.startsWith("-"))) {
      pending = undefined;
      continue;
    }
    pending = undefined;
    if (word === "--" && !onlyOperands) onlyOperands = true;
    else if (word.startsWith("-") && !onlyOperands) pending = optionWithValue(root, command, word);
    else {
      const next = command === root ? visibleCommands(root).find((each) => each.name() === word) : undefined;
      if (next === undefined) operands++;
      else command = next;
    }
  }
  if (pending?.required || (pending !== undefined && !current.startsWith("-")))
    return valueOfOption(pending, "");
  if (current.startsWith("-") && !onlyOperands) {
    const at = current.indexOf("=");
    const option = at === -1 ? undefined : optionWithValue(root, command, current.slice(0, at));
    if (option !== undefined) return valueOfOption(option, current.slice(0, at + 1));
    return { kind: "words", words: optionsOf(root, command) };
  }
  if (command === root) return operands === 0 ? { kind: "words", words: commandsOf(root) } : nothing;
  return operandOf(root, command.registeredArguments[operands], onlyOperands);
}

function operandOf(root: Command, argument: Argument | undefined, mayBeginWithDash: boolean): Wanted {
  if (argument?.argChoices) return { kind: "words", words: argument.argChoices.map(bare) };
  if (argument?.name() === "chat") return { kind: "chats", mayBeginWithDash };
  if (argument?.name() === "reply") return { kind: "replies" };
  if (argument?.name() === "question") return { kind: "questions" };
  if (argument?.name() === "file") return { kind: "files" };
  // That of `help`.
  if (argument?.name() === "command") return { kind: "words", words: commandsOf(root) };
  return nothing;
}

/** `prefix`: what of the word stands before the value. */
function valueOfOption(option: Option, prefix: string): Wanted {
  if (option.argChoices !== undefined) {
    return { kind: "words", words: option.argChoices.map((value) => bare(prefix + value)) };
  }
  return option.flags.includes("<folder>") && prefix === "" ? { kind: "folders" } : nothing;
}

function optionWithValue(root: Command, command: Command, flag: string): Option | undefined {
  return [...command.options, ...root.options].find(
    (option) => option.long === flag && (option.required || option.optional),
  );
}

function optionsOf(root: Command, command: Command): Candidate[] {
  const help = root.createHelp();
  return [...new Set([command, root])]
    .flatMap((each) => help.visibleOptions(each))
    .flatMap(({ long, description }) => (long ? { value: long, about: description } : []))
    .filter(({ value }, at, all) => all.findIndex((each) => each.value === value) === at);
}

function commandsOf(root: Command): Candidate[] {
  return visibleCommands(root).map((each) => ({ value: each.name(), about: each.description() }));
}

function visibleCommands(root: Command): Command[] {
  return root.createHelp().visibleCommands(root);
}

function bare(value: string): Candidate {
  return { value, about: "" };
}
