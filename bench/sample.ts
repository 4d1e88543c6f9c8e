/** The messages whose accepting is measured: of a usual length, for chats that are known. */

export const sampleText =
  "Could you look up when the last train to Hamburg leaves tonight, and tell me the platform?";

/** So many that no chat gets a long line of open messages. */
export const sampleChats: readonly string[] = Array.from({ length: 256 }, (_, i) => `chat-${i}`);

/** The chats in turn, for ever. */
export function chatsInTurn(): () => string {
  let next = 0;
  return () => sampleChats[next++ % sampleChats.length] ?? "";
}
