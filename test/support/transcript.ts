import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether a transcript in the home holds the text, a message's id for example. */
export function inTranscript(home: string, text: string): boolean {
  const transcripts = join(home, "spaces", "*", "claude", "projects", "*", "*.jsonl");
  return globSync(transcripts).some((file) => readFileSync(file, "utf8").includes(text));
}
