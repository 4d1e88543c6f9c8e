/**
 * Session names are for people: links under `chats/` and columns of tables. Code never uses them as a key.
 */

/** Device names of Windows, where a shared home may be looked at. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)$/;

/** Bytes; leaves room for the ledger's `-12345` below every file system's limit. */
const maxLength = 48;

/**
 * A slug of lower-case ASCII letters, digits and single hyphens, never empty: `John Doe` → `john-doe`.
 * Without a name the chat id serves; of a name in a script without ASCII letters nothing is left: `chat`.
 */
export function sessionNameBase(name: string | null, chatId: string): string {
  const slug = slugify(name ?? "") || slugify(chatId) || "chat";
  return reserved.test(slug) ? `chat-${slug}` : slug;
}

/** Whether a name from elsewhere can serve as it is: a slug, with a number behind it or not. */
export function isSessionName(text: string): boolean {
  return text.length <= maxLength + 10 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text) && !reserved.test(text);
}

function slugify(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, maxLength)
    .replace(/^-+|-+$/g, "");
}
