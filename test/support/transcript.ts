import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether a transcript in the home holds the text, a message's id for example. */
export function inTranscript(home: string, text: string): boolean {
  return transcriptsIn(home).some((transcript) => transcript.includes(text));
}

/** Whether a process of the home has noted that such a text waits for its running turn. */
export function inLine(home: string, text: string): boolean {
  const words = JSON.stringify(text).slice(1, -1);
  const isIt = (line: string) => line.includes('"queue-operation"') && line.includes(words);
  return transcriptsIn(home).some((transcript) => transcript.split("\n").some(isIt));
}

function transcriptsIn(home: string): string[] {
  const transcripts = join(home, "spaces", "*", "claude", "projects", "*", "*.jsonl");
  return globSync(transcripts).map((file) => readFileSync(file, "utf8"));
}
