/**
 * Builds a reply from what the model says in one turn: its top-level text blocks in order, joined by a blank line;
 * a continuation after a cut joined by nothing. Finished blocks are the truth; streamed pieces only run ahead of them,
 * and when a stream is abandoned for a retry, the pieces that follow replace those that went before.
 */
export class ReplyText {
  /** All finished blocks. */
  #text: string;
  /** What of the running block has been streamed, with the joint before it. */
  #streamed = "";
  /** What the pieces have shown behind the finished blocks: after an abandoned attempt more than was streamed since. */
  #shown = "";
  #cut = false;

  /** `text`: what an earlier process has said in this turn, in finished blocks. */
  constructor(text = "") {
    this.#text = text;
  }

  get text(): string {
    return this.#text;
  }

  /** A new block (or a new attempt) begins: pieces that no finished block confirmed count no more. */
  begin(): void {
    this.#streamed = "";
  }

  /** A streamed piece of the running block. */
  piece(text: string): { offset: number; text: string } {
    const added = this.#streamed === "" ? this.#joint() + text : text;
    const offset = this.#text.length + this.#streamed.length;
    this.#streamed += added;
    this.#shown = this.#streamed;
    return { offset, text: added };
  }

  /** A finished block; returns what the pieces did not show of it, or what takes back that they showed too much. */
  block(text: string): { offset: number; text: string } | null {
    const shown = this.#shown;
    const offset = this.#text.length;
    this.#streamed = "";
    this.#shown = "";
    // Models end a turn with blank blocks at times; they are no paragraph.
    if (text.trim() === "") return shown === "" ? null : { offset, text: "" };
    const whole = this.#joint() + text;
    this.#text += whole;
    this.#cut = false;
    if (shown === whole) return null;
    return whole.startsWith(shown)
      ? { offset: offset + shown.length, text: whole.slice(shown.length) }
      : { offset, text: whole };
  }

  /** The model was cut off and told to go on: what comes next continues the sentence. */
  cut(): void {
    this.#cut = true;
  }

  #joint(): string {
    return this.#text === "" || this.#cut ? "" : "\n\n";
  }
}
