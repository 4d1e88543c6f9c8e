/** The chats as far as they have been read, most recently active first. Pure: each step gives a new list. */

/**
 * @import { ChatView } from "../views.ts"
 *
 * @typedef {object} ChatList
 * @property {readonly ChatView[]} chats
 * @property {string | null} next the cursor behind the last of them; null: there are no more
 */

/** @type {ChatList} */
export const emptyList = { chats: [], next: null };

/**
 * One more page behind those that are there.
 * @param {ChatList} list
 * @param {{ chats: readonly ChatView[], next: string | null }} page
 * @returns {ChatList}
 */
export function withPage(list, page) {
  return { chats: sorted([...without(list.chats, page.chats), ...page.chats]), next: page.next };
}

/**
 * A chat as it is now, whether it was known or not.
 * @param {ChatList} list
 * @param {ChatView} chat
 * @returns {ChatList}
 */
export function withChat(list, chat) {
  return { ...list, chats: sorted([...without(list.chats, [chat]), chat]) };
}

/**
 * @param {ChatList} list
 * @param {string} chatId of one that is no more, or was never there
 * @returns {ChatList}
 */
export function withoutChat(list, chatId) {
  return { ...list, chats: list.chats.filter((chat) => chat.chatId !== chatId) };
}

/**
 * @param {ChatList} list
 * @param {string} chatId
 */
export function chatOf(list, chatId) {
  return list.chats.find((chat) => chat.chatId === chatId);
}

/**
 * @param {readonly ChatView[]} chats
 * @param {readonly ChatView[]} left
 */
function without(chats, left) {
  const ids = new Set(left.map(({ chatId }) => chatId));
  return chats.filter(({ chatId }) => !ids.has(chatId));
}

/** @param {ChatView[]} chats */
function sorted(chats) {
  return chats.sort((a, b) => compare(activity(b), activity(a)) || compare(b.chatId, a.chatId));
}

/** @param {ChatView} chat */
function activity({ lastMessageAt, createdAt }) {
  return lastMessageAt ?? createdAt;
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
