/**
 * Builds a reply from what the model says in one turn: its top-level text blocks in order, joined by a blank line;
 * a continuation after a cut joined by nothing. Finished blocks are the truth; streamed pieces only run ahead of them,
 * and when a stream is abandoned for a retry, the pieces that follow replace those that went before.
 */
export class ReplyText {
  /** All finished blocks. */
  #text = "";
  /** What of the running block has been streamed, with the joint before it. */
  #streamed = "";
  #cut = false;

  get text(): string {
    return this.#text;
  }

  /** A new block (or a new attempt) begins: pieces that no finished block confirmed count no more. */
  begin(): void {
    this.#streamed = "";
  }

  /** A streamed piece of the running block. */
  piece(text: string): { offset: number; text: string } {
    const shown = this.#streamed === "" ? this.#joint() + text : text;
    const offset = this.#text.length + this.#streamed.length;
    this.#streamed += shown;
    return { offset, text: shown };
  }

  /** A finished block; returns what the streamed pieces did not show of it. */
  block(text: string): { offset: number; text: string } | null {
    const streamed = this.#streamed;
    this.#streamed = "";
    // Models end a turn with blank blocks at times; they are no paragraph.
    if (text.trim() === "") return null;
    const whole = this.#joint() + text;
    const offset = this.#text.length;
    this.#text += whole;
    this.#cut = false;
    if (streamed === whole) return null;
    return whole.startsWith(streamed)
      ? { offset: offset + streamed.length, text: whole.slice(streamed.length) }
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
