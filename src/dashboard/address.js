/**
 * What the address bar says: the chat or the overview that is shown, or the token that `start` has printed. Both stand in the
 * fragment, which a browser never sends.
 */

/** @typedef {{ kind: "list" } | { kind: "overview" } | { kind: "chat", chatId: string } | { kind: "token", token: string }} Place */

/** Of the page that says how it goes; where there is room it stands beside the list anyway. */
export const overviewAddress = "#/overview";

/**
 * @param {string} hash as in `location.hash`
 * @returns {Place}
 */
export function placeOf(hash) {
  if (hash === overviewAddress) return { kind: "overview" };
  const [, name, value] = /^#(token=|\/chats\/)(.+)$/.exec(hash) ?? [];
  const decoded = value === undefined ? null : decode(value);
  if (decoded === null) return { kind: "list" };
  return name === "token=" ? { kind: "token", token: decoded } : { kind: "chat", chatId: decoded };
}

/**
 * @param {string} chatId
 * @returns {string}
 */
export function addressOf(chatId) {
  return `#/chats/${encodeURIComponent(chatId)}`;
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
