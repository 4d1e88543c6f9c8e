/** What a check finds. */
export interface Violation {
  /** The name of the check. */
  readonly check: string;
  readonly chatId: string | null;
  readonly messageId: string | null;
  /** What is wrong, with the numbers by which it is found in the evidence. */
  readonly what: string;
  /** The file of the round's folder, or the table of the ledger, in which to look. */
  readonly where: string;
}

/** Of a message, as checks name it. */
export function about(
  check: string,
  { chatId, id, nonce }: { chatId: string; id: string; nonce: string },
  what: string,
  where: string,
): Violation {
  return { check, chatId, messageId: id, what: `${nonce}: ${what}`, where };
}
