import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether a transcript in the home holds the text, a message's id for example. */
export function inTranscript(home: string, text: string): boolean {
  return transcriptsIn(join(home, "spaces", "*")).some((transcript) => transcript.includes(text));
}

/** How many messages wait in a process for the end of its turn, as it notes itself; it does not say which. */
export function inLine(space: string): number {
  const notes = transcriptsIn(space)
    .flatMap((transcript) => transcript.split("\n"))
    .filter((line) => line.includes('"type":"queue-operation"'));
  const come = notes.filter((line) => line.includes('"operation":"enqueue"')).length;
  return come - (notes.length - come);
}

/** `space`: a pattern. */
function transcriptsIn(space: string): string[] {
  return globSync(join(space, "claude", "projects", "*", "*.jsonl")).map((file) =>
    readFileSync(file, "utf8"),
  );
}
