/**
 * A channel of your own. Its messenger is the simplest there is: lines over TCP, the first of them one's name.
 *
 *     node examples/own-channel.ts             Ada asks something, hangs up, and has the answer when she is back
 *     node examples/own-channel.ts 4000        the messenger stays open until Ctrl-C: `nc 127.0.0.1 4000`
 */

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { type Channel, type ChannelHost, type OutboundReply, open, type SendResult } from "../src/index.ts";

class Lines implements Channel {
  /** Stands beside every reply that waits: it must stay the same. */
  readonly name = "lines";
  /** Nothing here tells a line that comes twice from two: what may have arrived is marked when it is sent again. */
  readonly afterCrash = "mark";
  readonly stopWords = ["stop"];
  readonly #server = createServer();
  readonly #here = new Map<string, Socket>();

  /** Resolves when messages can come in. A messenger that is away for now is no reason to reject. */
  async start(host: ChannelHost): Promise<void> {
    this.#server.on("connection", (socket) => {
      // A line that breaks is one that has ended.
      this.#talk(socket, host).catch(() => socket.destroy());
    });
    await once(this.#server.listen(Number(process.argv[2] ?? 0), "127.0.0.1"), "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Says what became of it, and guesses nothing: an error that it throws means that it may have arrived. */
  async send({ text, route, mayBeDouble }: OutboundReply): Promise<SendResult> {
    const socket = this.#here.get(String(route));
    if (socket === undefined) return { kind: "refused", reason: `${route} is not here.`, retry: true };
    const lines = mayBeDouble ? `(once more) ${text}` : text;
    await promisify<string, void>(socket.write.bind(socket))(`${lines}\n`);
    return { kind: "sent" };
  }

  /** The last reply has been sent: nothing more is to come in. */
  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#here.values()) socket.destroy();
  }

  async #talk(socket: Socket, host: ChannelHost): Promise<void> {
    let name: string | undefined;
    for await (const line of createInterface({ input: socket })) {
      if (name === undefined) {
        name = line;
        this.#here.set(name, socket);
        socket.once("close", () => this.#here.get(line) === socket && this.#here.delete(line));
        // Who comes in is about to write: the process gets ready.
        host.typing(`lines:${name}`);
        continue;
      }
      const inbound = { text: line, contact: { name, tier: "family" }, route: name };
      // Said when it is on disk, and not before: from then on it is not lost.
      const said = await host.receive(`lines:${name}`, inbound).then(
        () => "(taken)",
        (error) => `(refused: ${error.message})`,
      );
      socket.write(`${said}\n`);
    }
  }
}

const lines = new Lines();
const { ANTHROPIC_API_KEY: apiKey } = process.env;
const switchboard = await open({
  home: "./example-home",
  upstream: apiKey ? { apiKey } : "offline",
  channels: [lines],
});

/** Ada's side of it. `until`: the line that she waits for. */
async function ada(says: string[], until: RegExp): Promise<void> {
  const socket = connect(lines.port, "127.0.0.1");
  for (const line of ["Ada", ...says]) {
    socket.write(`${line}\n`);
    console.log(`> ${line}`);
  }
  for await (const line of createInterface({ input: socket })) {
    console.log(`  ${line}`);
    if (until.test(line)) break;
  }
  socket.destroy();
}

if (process.argv[2] === undefined) {
  const events = switchboard.events({ chatId: "lines:Ada", text: false });
  await ada(["Do you wait for me?"], /taken/);
  for await (const event of events) {
    if (event.type !== "reply" || event.reply.error === null) continue;
    console.log(`… ${event.reply.error.message} The answer waits.`);
    break;
  }
  await ada([], /^You said/);
} else {
  console.log(`nc 127.0.0.1 ${lines.port}`);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
}
await switchboard.close();
