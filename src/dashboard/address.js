/**
 * What the address bar says: the chat that is shown, or the token that `start` has printed. Both stand in the
 * fragment, which a browser never sends.
 */

/** @typedef {{ kind: "list" } | { kind: "chat", chatId: string } | { kind: "token", token: string }} Place */

/**
 * @param {string} hash as in `location.hash`
 * @returns {Place}
 */
export function placeOf(hash) {
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
