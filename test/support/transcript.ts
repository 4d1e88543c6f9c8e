import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether a transcript in the home holds the message. */
export function inTranscript(home: string, messageId: string): boolean {
  const transcripts = join(home, "spaces", "*", "claude", "projects", "*", "*.jsonl");
  return globSync(transcripts).some((file) => readFileSync(file, "utf8").includes(messageId));
}
