/**
 * A channel of your own, in its shortest form: this terminal is the messenger. Each line is a message, `stop` stops the
 * answer to those before it, Ctrl-D ends it. `node --conditions=switchboard-source examples/own-channel.ts`.
 */

import { createInterface } from "node:readline";
import { type Channel, open } from "switchboard";

const chatId = "terminal:1";
const ended = Promise.withResolvers<void>();

const terminal: Channel = {
  name: "terminal",
  // Nobody minds reading a line twice.
  afterCrash: "resend",
  stopWords: ["stop"],
  async start(host) {
    const lines = createInterface({ input: process.stdin });
    lines.on("line", (text) => {
      const accepted = host.receive(chatId, { text, contact: { name: "You", tier: "family" } });
      accepted.catch((error) => console.error(`! ${error.message}`));
    });
    lines.on("close", ended.resolve);
  },
  async send({ kind, text }) {
    console.log(kind === "notice" ? `! ${text}` : `→ ${text}`);
    return { kind: "sent" };
  },
  async stop() {},
};

const { ANTHROPIC_API_KEY: apiKey } = process.env;
const switchboard = await open({
  home: "./example-home",
  upstream: apiKey ? { apiKey } : "offline",
  channels: [terminal],
});
await ended.promise;
await switchboard.close();
