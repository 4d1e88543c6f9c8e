/**
 * Shell commands, as far as a rule can judge them: those that are a row of simple commands (`a; b && c | d`) whose words
 * stand there as they will be run. Whatever the shell would make something else of (a variable, a pattern, a redirection,
 * a subshell, a keyword) is not understood here, and what is not understood is not allowed by a rule. Pure.
 */

const keywords = new Set([
  ...["if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "in"],
  ...["select", "function", "time", "coproc", "[[", "!"],
]);

/** What the shell would expand, redirect or group; outside of quotes. */
const special = new Set("$`<>(){}*?[&|;#~!^".split(""));

const assignment = /^[A-Za-z_]\w*(\[.*\])?\+?=/;

/** The words of each simple command in it; null when it is anything else. */
export function simpleCommands(command: string): string[][] | null {
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | null = null;
  const endWord = () => {
    if (word !== null) words.push(word);
    word = null;
  };
  const endCommand = () => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (let at = 0; at < command.length; at += 1) {
    const char = command.charAt(at);
    const two = command.slice(at, at + 2);
    if (char === "\0") return null;
    if (char === " " || char === "\t") endWord();
    else if (char === "\n") endCommand();
    else if (two === "&&" || two === "||") {
      endCommand();
      at += 1;
    } else if (char === ";" || char === "|") {
      if (two === ";;" || two === "|&" || two === ";&") return null;
      endCommand();
    } else if (char === "'") {
      const end = command.indexOf("'", at + 1);
      if (end === -1) return null;
      word = (word ?? "") + command.slice(at + 1, end);
      at = end;
    } else if (char === '"') {
      const quoted = /^"((?:[^"\\$`]|\\[^\n])*)"/s.exec(command.slice(at));
      if (quoted === null) return null;
      const [whole, inner = ""] = quoted;
      word = (word ?? "") + inner.replace(/\\(["\\$`])/g, "$1");
      at += whole.length - 1;
    } else if (char === "\\") {
      at += 1;
      const next = command.charAt(at);
      if (next === "" || next === "\n") return null;
      word = (word ?? "") + next;
    } else if (special.has(char)) return null;
    else word = (word ?? "") + char;
  }
  endCommand();
  return commands.every(([first = ""]) => !keywords.has(first) && !assignment.test(first)) ? commands : null;
}

/**
 * Whether a simple command is one of those that the pattern means. A pattern is words: `*` within a word stands for any
 * characters, as the last word for any further words, none among them. A word with a `..` in its path is only what is
 * spelled out.
 */
export function matchesCommand(pattern: string, words: readonly string[]): boolean {
  const parts = pattern.trim().split(/\s+/);
  const open = parts.at(-1) === "*";
  const fixed = open ? parts.slice(0, -1) : parts;
  if (open ? words.length < fixed.length : words.length !== fixed.length) return false;
  return fixed.every((part, at) => matchesWord(part, words[at] ?? ""));
}

function matchesWord(pattern: string, word: string): boolean {
  if (!pattern.includes("*")) return pattern === word;
  if (word.split("/").includes("..")) return false;
  const pieces = pattern.split("*").map((piece) => piece.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${pieces.join(".*")}$`, "s").test(word);
}
