/** What the accepted messages of the throughput measurements are: of the length of a usual one, for chats known before. */

export const sampleText =
  "Could you look up when the last train to Hamburg leaves tonight, and tell me the platform?";

/** So many that none gets long, as few as one machine would know by heart. */
export const sampleChats: readonly string[] = Array.from({ length: 1000 }, (_, i) => `chat-${i}`);

/** The chats in turn, for ever. */
export function chatsInTurn(): () => string {
  let next = 0;
  return () => sampleChats[next++ % sampleChats.length] ?? "";
}
