import type { Channel } from "./channel.ts";

/** Stands in for a channel that is not configured any more: what is to go out by it fails, and so is listed. */
export function goneChannel(name: string): Channel {
  const reason = `No channel of the name ${name} is configured any more.`;
  return {
    name,
    afterCrash: "hold",
    stopWords: [],
    start: async () => {},
    send: async () => ({ kind: "refused", reason, retry: false }),
    stop: async () => {},
  };
}
