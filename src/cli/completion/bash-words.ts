/**
 * Words as bash reads and writes them. A line that is being completed is only taken apart: nothing in it is
 * expanded, and what is put into it stands for itself, whatever characters it has. Contacts choose chat ids, and
 * `$(…)` is one.
 */

/** What a quotation that is still open began with. */
export type Quote = "" | "'" | '"';

export interface Word {
  /** As it stands in the line. */
  raw: string;
  /** As the command would get it. */
  text: string;
  /** What is still open at its end. */
  quote: Quote;
}

/** The words of a line that ends at the cursor; the last one is the one at the cursor, empty behind a blank. */
export function split(line: string): Word[] {
  const words: Word[] = [];
  let word: Word | null = null;
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    const quote: Quote = word?.quote ?? "";
    if (quote === "" && /\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    word ??= { raw: "", text: "", quote: "" };
    word.raw += char;
    if (char === quote) word.quote = "";
    else if (quote === "" && (char === "'" || char === '"')) word.quote = char;
    else if (char === "\\" && quote !== "'") {
      const next = line.charAt(++at);
      const isKept = quote === '"' && !/["$`\\]/.test(next);
      word.raw += next;
      word.text += isKept ? char + next : next;
    } else word.text += char;
  }
  return [...words, word ?? { raw: "", text: "", quote: "" }];
}

/** The text so that it stands for itself behind what has opened `quote`. */
export function quoted(text: string, quote: Quote): string {
  switch (quote) {
    case "":
      return text.replace(/[^\p{L}\p{M}\p{N}\p{Emoji_Presentation}_@%+=:,./-]/gu, "\\$&");
    case "'":
      return text.replaceAll("'", "'\\''");
    case '"':
      // An exclamation mark is history's even in double quotes, and a backslash would stay.
      return text.replace(/["$`\\]/g, "\\$&").replaceAll("!", `"'!'"`);
  }
}

/**
 * What bash is to put in the place of `part`, the end of the line that it takes for the word (it breaks words at
 * colons too), to have `value` there. Null when the word at the cursor does not lead to it.
 */
export function replacement({ raw, text, quote }: Word, part: string, value: string): string | null {
  if (!value.startsWith(text) || !raw.endsWith(part)) return null;
  const kept = split(raw.slice(0, raw.length - part.length)).at(-1);
  return kept === undefined ? null : quoted(value.slice(kept.text.length), part === "" ? quote : kept.quote);
}
